"""From a picture to a network's input: resize the shorter side, cut the centre, scale, normalise.

The preprocessing belongs to the weights: another size, crop, interpolation, mean or deviation changes every feature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # openai/CLIP, clip/clip.py
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision's classification references
IMAGENET_STD = (0.229, 0.224, 0.225)

Crop = Literal["own", "center", "squash"]
MAX_IMAGE_SIZE = 4096
MAX_PIXELS = 64_000_000  # of a resized picture: a hair of 1 x 10,000,000 pixels would grow without bound
MOST, LEAST = 1e4, 1e-4  # of a mean, and of a deviation, on the scale from 0 to 1: float32 holds what they make of it
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What a checkpoint demands of its images.

    Attributes:
        image_size: Side of the square input in pixels.
        resize: Length in pixels to which the shorter side is brought before the centre is cut: at least `image_size`
            and at most four times as much.
        interpolation: Pillow's antialiased filter.
        resize_mode: "shortest" keeps the picture's proportions and cuts its centre; "squash" brings both sides to
            `resize` and cuts nothing but what `resize` has in excess, as Apple's DFN5B weights demand.
        crop_rounding: Where the centre starts that an odd margin leaves half a pixel for: "even", the nearest pixel and
            of two the even one, as torchvision cuts; "down", as transformers cuts.
        mean: Of each channel, red, green, blue, on the scale from 0 to 1.
        std: Likewise, the standard deviation.
    """

    image_size: int
    resize: int
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    resize_mode: Literal["shortest", "squash"] = "shortest"
    crop_rounding: Literal["even", "down"] = "even"

    def __post_init__(self) -> None:
        if type(self.image_size) is not int or not 1 <= self.image_size <= MAX_IMAGE_SIZE:
            raise ValueError(f"image_size must be a whole number from 1 to {MAX_IMAGE_SIZE}, not {self.image_size!r}.")
        if type(self.resize) is not int or not self.image_size <= self.resize <= 4 * self.image_size:
            raise ValueError(f"resize must be 1 to 4 times image_size, not {self.resize!r} for {self.image_size}.")
        if self.interpolation not in _FILTERS:
            raise ValueError(f"interpolation must be 'bilinear' or 'bicubic', not {self.interpolation!r}.")
        if self.resize_mode not in ("shortest", "squash"):
            raise ValueError(f"resize_mode must be 'shortest' or 'squash', not {self.resize_mode!r}.")
        if self.crop_rounding not in ("even", "down"):
            raise ValueError(f"crop_rounding must be 'even' or 'down', not {self.crop_rounding!r}.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(abs(value) <= MOST for value in values):  # not a number is never below
                raise ValueError(f"{name} must be three numbers up to {MOST:g}, not {values!r}.")
        if min(self.std) < LEAST:
            raise ValueError(f"std must be at least {LEAST:g} in each channel, not {self.std!r}.")

    def cropped(self, crop: Crop) -> Preprocess:
        """The same for another crop, so that several networks see the same part of each picture.

        Args:
            crop: "own" changes nothing; "center" brings the shorter side to `image_size` and cuts the centre; "squash"
                brings both sides to it and cuts nothing.
        """
        if crop == "own":
            return self
        mode: Literal["shortest", "squash"] = "shortest" if crop == "center" else "squash"
        return replace(self, resize=self.image_size, resize_mode=mode, crop_rounding="even", interpolation="bicubic")

    def pixels(self, image: Image.Image) -> np.ndarray:
        """Resized and cut, before normalisation: uint8 [image_size, image_size, 3]."""
        image = self._without_ends(image.convert("RGB")) if self.resize_mode == "shortest" else image.convert("RGB")
        size = self._resized(image)
        if size != image.size:
            image = image.resize(size, _FILTERS[self.interpolation])
        half = round if self.crop_rounding == "even" else math.floor
        left = half((image.width - self.image_size) / 2)
        top = half((image.height - self.image_size) / 2)
        return np.asarray(image.crop((left, top, left + self.image_size, top + self.image_size)))

    def _resized(self, image: Image.Image) -> tuple[int, int]:
        """Width and height before the centre is cut."""
        if self.resize_mode == "squash":
            return self.resize, self.resize
        short, long = sorted(image.size)
        long = int(self.resize * long / short)  # truncated, as torchvision's Resize does
        return (self.resize, long) if image.width <= image.height else (long, self.resize)

    def _without_ends(self, image: Image.Image) -> Image.Image:
        """The middle of a strip so long that it would not fit into memory once resized; only its centre is used."""
        short, long = sorted(image.size)
        kept = max(short, MAX_PIXELS * short // self.resize**2)
        if long <= kept:
            return image
        start = (long - kept) // 2
        box = (start, 0, start + kept, short) if image.width > image.height else (0, start, short, start + kept)
        return image.crop(box)

    def normalise(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [..., height, width, 3] -> float32 [..., 3, height, width]."""
        # A byte has 256 values: looked up in a table, they are the same bits as computed, in a third of the time.
        values = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
        table = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)  # [256, 3]
        scaled = np.empty((*pixels.shape[:-3], 3, *pixels.shape[-3:-1]), np.float32)
        for channel, column in enumerate(np.ascontiguousarray(table.T)):
            np.take(column, pixels[..., channel], out=scaled[..., channel, :, :], mode="clip")
        return scaled
