"""A view is a named, deterministic change to the images; every model is asked again about each view.

A new one is a pure function in `changes/`, from RGB to RGB, and one line in `changes/kinds.py`. What is drawn by chance
is drawn from the view's name and the picture itself, so order and company of images change nothing. The picture keeps
its size; only ImageNet-C's corruptions bring it to their scale, see `changes/reference_scale.py`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from visavis.data.changes.kinds import CHANGES, EXAMPLES, Change
from visavis.data.presets import PRESETS
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


def parse_view(name: str) -> View:
    """The view of that name.

    Raises:
        UsageError: No such view, the nearest are offered; or a level that is missing, superfluous or out of reach.

    >>> parse_view("patch_shuffle:4").about
    'cut into 4 × 4 cells that change places'
    """
    kind, colon, text = name.partition(":")
    if kind not in CHANGES:
        near = did_you_mean(kind, [*CHANGES, *PRESETS])
        known = ", ".join([*EXAMPLES, *PRESETS])
        raise UsageError(f"Unknown view {name!r}. {near} Known are {known}; the last stand for several.")
    change = CHANGES[kind]
    if change.least is None:
        if colon:
            raise UsageError(f"The view {kind!r} has no levels: write it without {colon + text!r}.")
        return _view(name, change)
    level = _level(name, text, change)
    return _view(f"{kind}:{level:g}", change, level)


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


def _view(name: str, change: Change, *level: float) -> View:
    apply = partial(_draw, change, level, name) if change.drawn else partial(_call, change, level)
    return View(name=name, about=change.about.format(*(f"{one:g}" for one in level)), apply=apply)


def _call(change: Change, level: tuple[float, ...], image: Image.Image) -> Image.Image:
    return change.apply(image, *level)


def _draw(change: Change, level: tuple[float, ...], name: str, image: Image.Image) -> Image.Image:
    digest = hashlib.sha256(name.encode() + repr(image.size).encode() + image.tobytes()).digest()
    return change.apply(image, *level, np.random.default_rng(list(digest)))
