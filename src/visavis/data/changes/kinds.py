"""Every kind of change, with its levels: the table that views are named from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from visavis.data.changes import blur, digital, frequency, noise, outlines, places, pose, weather
from visavis.data.changes.reference_scale import on_pictures, on_pixels


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


SEVERITIES = (1, 2, 3, 4, 5)


def corruption(about: str, apply: Callable[..., Image.Image], *, drawn: bool = False) -> Change:
    """One of ImageNet-C's corruptions, at its five severities."""
    return Change(
        about=f"{about}, severity {{}} of 5", apply=apply, least=1, most=5, example=3, drawn=drawn, whole=True
    )


def _clean(image: Image.Image) -> Image.Image:
    return image


def _grayscale(image: Image.Image) -> Image.Image:
    """Luma of ITU-R BT.601, the same in all three channels: shape and shading without colour."""
    return image.convert("L").convert("RGB")


CHANGES: dict[str, Change] = {
    "clean": Change(about="the images as they are", apply=_clean),
    "grayscale": Change(about="without colour: luma in all three channels", apply=_grayscale),
    "silhouette": Change(about="black where the picture differs from its border, else white", apply=places.silhouette),
    "edges": Change(about="the outlines alone: dark where luma changes", apply=outlines.edges),
    "retextured": Change(
        about="five tones, each filled with a drawn pattern of its own", apply=outlines.retextured, drawn=True
    ),
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
    "exposure": Change(about="values at {}%", apply=pose.exposure, least=0, most=1000, example=50),
    "fade": Change(about="contrast at {}%", apply=pose.fade, least=0, most=1000, example=50),
    "hue": Change(about="hues turned by {} degrees", apply=pose.hue, least=-360, most=360, example=90),
    "gaussian_noise": corruption("normal noise", on_pixels(noise.gaussian_noise), drawn=True),
    "shot_noise": corruption("few photons", on_pixels(noise.shot_noise), drawn=True),
    "impulse_noise": corruption("salt and pepper", on_pixels(noise.impulse_noise), drawn=True),
    "defocus_blur": corruption("out of focus", on_pixels(blur.defocus_blur)),
    "glass_blur": corruption("behind frosted glass", on_pixels(blur.glass_blur), drawn=True),
    "motion_blur": corruption("blurred by motion", on_pixels(blur.motion_blur), drawn=True),
    "zoom_blur": corruption("blurred by zooming", on_pixels(blur.zoom_blur)),
    "snow": corruption("snow", on_pixels(weather.snow), drawn=True),
    "frost": corruption("drawn frost", on_pixels(weather.frost), drawn=True),
    "fog": corruption("fog", on_pixels(weather.fog), drawn=True),
    "brightness": corruption("too bright", on_pixels(weather.brightness)),
    "contrast": corruption("little contrast", on_pixels(digital.contrast)),
    "elastic_transform": corruption("stretched in places", on_pixels(digital.elastic_transform), drawn=True),
    "pixelate": corruption("large pixels", on_pictures(digital.pixelate)),
    "jpeg_compression": corruption("compressed as JPEG", on_pictures(digital.jpeg_compression)),
}  # fmt: skip
EXAMPLES = tuple(name if change.least is None else f"{name}:{change.example:g}" for name, change in CHANGES.items())
