"""Whatever a caller calls an image becomes an upright RGB picture: a file, bytes, an array or Pillow's own alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from visavis.data.dataset import Sample
from visavis.data.decoding import UnreadableImage, decode_image
from visavis.errors import UsageError, VisavisError

ImageLike = str | Path | bytes | Image.Image | np.ndarray
Decode = Literal["exact", "fast"]


def list_images(images: Iterable[ImageLike]) -> list[ImageLike]:
    """Several images as a list.

    Raises:
        UsageError: A single one was given, which would be taken apart, or none; or one is an array that is no picture.
    """
    single_array = isinstance(images, np.ndarray) and images.ndim <= 3
    if isinstance(images, str | Path | bytes | Image.Image) or single_array:
        raise UsageError("Give a list of images, not a single one: [image].")
    listed = list(images)
    if not listed:
        raise UsageError("The list of images is empty. Give at least one.")
    _check_arrays(listed)
    return listed


def _check_arrays(images: list[ImageLike]) -> None:
    """Says which one is no picture: first of all one with NaN, which no scaling mends."""
    unfit = {n: image for n, image in enumerate(images) if isinstance(image, np.ndarray) and not _is_picture(image)}
    spoilt = [n for n, array in unfit.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    for number in (*spoilt, *unfit):
        values = " with values that are NaN or infinite" if spoilt else ""
        raise UsageError(f"Image {number}, counted from 0: {_unfit(unfit[number])}{values}. Mend it or leave it out.")


def _is_picture(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size > 0


def _unfit(array: np.ndarray) -> str:
    return f"An image array must be uint8 [height, width, 3], not {array.dtype} {list(array.shape)}"


def as_picture(image: ImageLike, at_least: int | None = None) -> Image.Image:
    """A picture in mode RGB; `at_least` as in `decode_image`.

    Raises:
        UnreadableImage: The bytes or the file are no image.
        UsageError: There is no such file, or this is nothing that could be an image.
    """
    if isinstance(image, Image.Image):
        return _shown(image)
    if isinstance(image, np.ndarray):
        if not _is_picture(image):
            raise UsageError(f"{_unfit(image)}.")
        return Image.fromarray(image)
    if isinstance(image, bytes):
        return decode_image(image, at_least)
    if not isinstance(image, str | Path):
        raise UsageError(f"An image is a path, bytes, a Pillow image or an array, not {type(image).__name__}.")
    try:
        return decode_image(Path(image).read_bytes(), at_least)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"Cannot read the image {str(image)!r}: {getattr(error, 'strerror', error)}.") from error
    except UnreadableImage as error:
        raise UnreadableImage(f"{str(image)!r} is {error}") from error


def _shown(image: Image.Image) -> Image.Image:
    """Turned as its EXIF data say, transparency over white."""
    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    layers = upright.convert("RGBA")
    white = Image.new("RGB", layers.size, "white")
    white.paste(layers, mask=layers)
    return white


def read_picture(sample: Sample, at_least: int | None = None) -> Image.Image:
    """The picture of a sample that was readable when the data set was listed; `at_least` as in `decode_image`.

    Raises:
        VisavisError: It is gone, or no longer an image.
    """
    try:
        return decode_image(sample.read_bytes(), at_least)
    except (OSError, UnreadableImage) as error:
        reason = getattr(error, "strerror", None) or error
        raise VisavisError(
            f"The image {sample.name!r} could be read when the data were listed and cannot be any more ({reason}). "
            "Run again once the files stay in place; what was done before is kept."
        ) from error
