"""From a picture to a network's input: resize the shorter side, cut the centre, scale, normalise.

The preprocessing belongs to the weights: another size, crop, interpolation, mean or deviation changes every feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # openai/CLIP, clip/clip.py
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision's classification references
IMAGENET_STD = (0.229, 0.224, 0.225)

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What a checkpoint demands of its images.

    Attributes:
        image_size: Side of the square input in pixels.
        resize: Length in pixels to which the shorter side is brought before the centre is cut; at least `image_size`.
        interpolation: Pillow's antialiased filter.
        mean: Of each channel, red, green, blue, on the scale from 0 to 1.
        std: Likewise, the standard deviation.
    """

    image_size: int
    resize: int
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    def __post_init__(self) -> None:
        if self.resize < self.image_size:
            raise ValueError(f"resize must be at least image_size, not {self.resize} for {self.image_size}.")
        if self.interpolation not in _FILTERS:
            raise ValueError(f"interpolation must be 'bilinear' or 'bicubic', not {self.interpolation!r}.")

    def pixels(self, image: Image.Image) -> np.ndarray:
        """Resized and cut, before normalisation: uint8 [image_size, image_size, 3]."""
        image = image.convert("RGB")
        short, long = sorted(image.size)
        long = int(self.resize * long / short)  # truncated, as torchvision's Resize does
        size = (self.resize, long) if image.width <= image.height else (long, self.resize)
        if size != image.size:
            image = image.resize(size, _FILTERS[self.interpolation])
        left = round((image.width - self.image_size) / 2)
        top = round((image.height - self.image_size) / 2)
        return np.asarray(image.crop((left, top, left + self.image_size, top + self.image_size)))

    def normalise(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [..., height, width, 3] -> float32 [..., 3, height, width]."""
        mean = np.asarray(self.mean, np.float32)
        std = np.asarray(self.std, np.float32)
        scaled = (pixels.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(np.moveaxis(scaled, -1, -3))
