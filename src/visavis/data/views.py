"""A view is a named, deterministic change to the images; every model is asked again about each view.

A new one is a pure function from RGB to RGB, of the same size, and one line in VIEWS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from visavis.errors import UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class View:
    """One change.

    Attributes:
        name: As written on the command line and in every table.
        about: One line for the report.
        apply: From an RGB picture to an RGB picture.
    """

    name: str
    about: str
    apply: Callable[[Image.Image], Image.Image]


def parse_view(name: str) -> View:
    """The view of that name. Raises UsageError with the nearest names."""
    if name not in VIEWS:
        raise UsageError(f"Unknown view {name!r}. {did_you_mean(name, VIEWS)}")
    return VIEWS[name]


def _clean(image: Image.Image) -> Image.Image:
    return image


def _grayscale(image: Image.Image) -> Image.Image:
    """Luma of ITU-R BT.601, the same in all three channels: shape and shading without colour."""
    return image.convert("L").convert("RGB")


VIEWS = {
    view.name: view
    for view in (
        View(name="clean", about="the images as they are", apply=_clean),
        View(name="grayscale", about="without colour: luma in all three channels", apply=_grayscale),
    )
}
