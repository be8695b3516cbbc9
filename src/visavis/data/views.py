"""A view is a named, deterministic change to the images; every model is asked again about each view.

A new one is a pure function in `changes/`, from RGB to RGB of the same size, and one line in `CHANGES`. What is drawn
by chance is drawn from the view's name and the picture itself, so order and company of images change nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from visavis.data.changes import frequency, places, pose
from visavis.errors import UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class View:
    """One change at one level.

    Attributes:
        name: As written on the command line and in every table: "grayscale", "patch_shuffle:4".
        about: One line for the report.
        apply: From an RGB picture to an RGB picture.
    """

    name: str
    about: str
    apply: Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A kind of view.

    Attributes:
        about: One line for the report; {} is the level.
        apply: From a picture, a level where there are levels, and a generator where something is drawn by chance.
        least, most: Ends of the levels; None where there are none.
        example: A level for the help, 0 where there are none.
        drawn: Whether something is drawn by chance.
        whole: Whether levels are whole numbers.
    """

    about: str
    apply: Callable[..., Image.Image]
    least: float | None = None
    most: float | None = None
    example: float = 0
    drawn: bool = False
    whole: bool = False


def parse_view(name: str) -> View:
    """The view of that name.

    Raises:
        UsageError: No such view, the nearest are offered; or a level that is missing, superfluous or out of reach.

    >>> parse_view("patch_shuffle:4").about
    'cut into 4 × 4 cells that change places'
    """
    kind, colon, text = name.partition(":")
    if kind not in CHANGES:
        raise UsageError(f"Unknown view {name!r}. {did_you_mean(kind, CHANGES)} Known are {', '.join(EXAMPLES)}.")
    change = CHANGES[kind]
    if change.least is None:
        if colon:
            raise UsageError(f"The view {kind!r} has no levels: write it without {colon + text!r}.")
        return View(name=name, about=change.about, apply=change.apply)
    level = _level(name, text, change)
    canonical = f"{kind}:{level:g}"
    seeded_by = canonical if change.drawn else None
    return View(
        name=canonical, about=change.about.format(f"{level:g}"), apply=partial(_apply, change, level, seeded_by)
    )


def _level(name: str, text: str, change: Change) -> float:
    try:
        level = float(text) + 0.0  # no negative zero
    except ValueError:
        level = math.nan
    assert change.least is not None, "the caller has asked for levels"
    assert change.most is not None, "a change with a least level has a greatest"
    if not change.least <= level <= change.most or (change.whole and level != int(level)):
        kind = name.partition(":")[0]
        number = "a whole number" if change.whole else "a number"
        raise UsageError(
            f"The view {name!r} wants {number} from {change.least:g} to {change.most:g} behind a colon, such as "
            f"{kind}:{change.example:g}."
        )
    return level


def _apply(change: Change, level: float, seeded_by: str | None, image: Image.Image) -> Image.Image:
    if seeded_by is None:
        return change.apply(image, level)
    digest = hashlib.sha256(seeded_by.encode() + repr(image.size).encode() + image.tobytes()).digest()
    return change.apply(image, level, np.random.default_rng(list(digest)))


def _clean(image: Image.Image) -> Image.Image:
    return image


def _grayscale(image: Image.Image) -> Image.Image:
    """Luma of ITU-R BT.601, the same in all three channels: shape and shading without colour."""
    return image.convert("L").convert("RGB")


CHANGES = {
    "clean": Change(about="the images as they are", apply=_clean),
    "grayscale": Change(about="without colour: luma in all three channels", apply=_grayscale),
    "silhouette": Change(about="black where the picture differs from its border, else white", apply=places.silhouette),
    "patch_shuffle": Change(
        about="cut into {0} × {0} cells that change places", apply=places.patch_shuffle, least=1, most=64, example=4,
        drawn=True, whole=True,
    ),
    "occlusion": Change(
        about="{}% of a 14 × 14 grid's cells covered", apply=places.occlusion, least=0, most=100, example=50, drawn=True
    ),
    "low_pass": Change(
        about="coarser than {} cycles over the shorter side", apply=frequency.low_pass, least=0.5, most=512, example=8
    ),
    "high_pass": Change(
        about="finer than {} cycles over the shorter side", apply=frequency.high_pass, least=0.5, most=512, example=8
    ),
    "mirror": Change(about="left and right change sides", apply=pose.mirror),
    "upside_down": Change(about="turned by 180 degrees", apply=pose.upside_down),
    "rotate": Change(about="turned by {} degrees", apply=pose.rotate, least=-360, most=360, example=15),
    "shift": Change(
        about="moved right and down by {}% of its sides", apply=pose.shift, least=-100, most=100, example=10
    ),
    "shrink": Change(about="at {}% of its size in the middle", apply=pose.shrink, least=1, most=100, example=50),
    "brightness": Change(about="values at {}%", apply=pose.brightness, least=0, most=1000, example=50),
    "contrast": Change(about="contrast at {}%", apply=pose.contrast, least=0, most=1000, example=50),
    "hue": Change(about="hues turned by {} degrees", apply=pose.hue, least=-360, most=360, example=90),
}  # fmt: skip
EXAMPLES = tuple(name if change.least is None else f"{name}:{change.example:g}" for name, change in CHANGES.items())
