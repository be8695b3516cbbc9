"""The scale at which pictures are corrupted: 224 pixels on the shorter side, as ImageNet-C's were.

A blur of three pixels is much in a thumbnail and nothing in a photograph of twelve megapixels, so pictures of every
size are first brought to that scale, and stay there. Unlike ImageNet-C's they are not cut to a square, which each
model's preprocessing does, and not saved as JPEG.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

SHORTER_SIDE = 224
LONGEST = 8  # times the shorter side; what a strip has beyond is cut off at both ends

Corrupt = Callable[
    ..., np.ndarray
]  # of pixels, 0 to 1 [height, width, 3], severity, and a generator where one is drawn


def at_reference_scale(image: Image.Image) -> Image.Image:
    """The picture with a shorter side of 224 pixels; the same picture where it has that."""
    shorter = min(image.size)
    if max(image.size) > LONGEST * shorter:
        width, height = (min(side, LONGEST * shorter) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    if shorter == SHORTER_SIDE:
        return image
    width, height = (round(side * SHORTER_SIDE / shorter) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def on_pixels(corrupt: Corrupt) -> Callable[..., Image.Image]:
    """A change of pictures from a corruption of pixels; values beyond black and white are cut."""

    def change(image: Image.Image, level: float, *generator: np.random.Generator) -> Image.Image:
        pixels = np.asarray(at_reference_scale(image)) / 255.0
        corrupted = corrupt(pixels, int(level), *generator).clip(0, 1) * 255
        return Image.fromarray(corrupted.astype(np.uint8))  # rounded down, as the published ones

    return change


def on_pictures(corrupt: Callable[[Image.Image, int], Image.Image]) -> Callable[..., Image.Image]:
    """The same for a corruption that Pillow does."""

    def change(image: Image.Image, level: float) -> Image.Image:
        return corrupt(at_reference_scale(image), int(level))

    return change
