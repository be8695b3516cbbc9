"""What should not matter: side, angle, place, size, light. Uncovered ground gets the colour of the picture's border."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def mirror(image: Image.Image) -> Image.Image:
    """Left and right change sides."""
    return ImageOps.mirror(image)


def upside_down(image: Image.Image) -> Image.Image:
    """Turned by 180 degrees."""
    return image.transpose(Image.Transpose.ROTATE_180)


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    """Turned counter-clockwise about the centre; corners are cut off."""
    if degrees % 360 == 0:
        return image.copy()
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_ground(image))


def shift(image: Image.Image, percent: float) -> Image.Image:
    """Moved right and down by that share of width and height."""
    moved = Image.new("RGB", image.size, _ground(image))
    moved.paste(image, (round(image.width * percent / 100), round(image.height * percent / 100)))
    return moved


def shrink(image: Image.Image, percent: float) -> Image.Image:
    """At that share of its size, in the middle of its ground."""
    size = max(1, round(image.width * percent / 100)), max(1, round(image.height * percent / 100))
    small = Image.new("RGB", image.size, _ground(image))
    corner = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    small.paste(image.resize(size, Image.Resampling.BICUBIC), corner)
    return small


def exposure(image: Image.Image, percent: float) -> Image.Image:
    """All values multiplied, what exceeds white is cut."""
    return ImageEnhance.Brightness(image).enhance(percent / 100)


def fade(image: Image.Image, percent: float) -> Image.Image:
    """All values drawn towards the mean luma, or away from it."""
    return ImageEnhance.Contrast(image).enhance(percent / 100)


def hue(image: Image.Image, degrees: float) -> Image.Image:
    """All hues turned; luma changes with them, shape does not."""
    channels = np.array(image.convert("HSV"))
    channels[..., 0] += np.uint8(round(degrees / 360 * 256) % 256)  # wraps around, as hues do
    return Image.fromarray(channels, "HSV").convert("RGB") if degrees % 360 else image.copy()


def _ground(image: Image.Image) -> tuple[int, int, int]:
    """Median colour of the outermost pixels."""
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(value) for value in np.median(border, axis=0))
    return red, green, blue
