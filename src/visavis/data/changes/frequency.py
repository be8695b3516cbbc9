"""What is coarse and what is fine: Gaussian filters whose cut-off is counted in cycles over the shorter side.

A grating of f cycles keeps exp(-f² / (2 · cut-off²)) of its contrast in the low-pass picture; the high-pass picture
holds the rest. Source: Geirhos et al. 2018, Generalisation in humans and deep
neural networks, section 2.3.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter


def low_pass(image: Image.Image, cycles: float) -> Image.Image:
    """Keeps what is coarser than so many cycles: blobs and colours, no edges."""
    deviation = min(image.size) / (2 * math.pi * cycles)  # pixels, of the filter in space
    return image.filter(ImageFilter.GaussianBlur(deviation))


def high_pass(image: Image.Image, cycles: float) -> Image.Image:
    """Keeps what is finer than so many cycles, around the picture's mean colour: edges and texture, no blobs."""
    pixels = np.asarray(image, np.float32)
    coarse = np.asarray(low_pass(image, cycles), np.float32)
    fine = pixels - coarse + pixels.mean(axis=(0, 1))
    return Image.fromarray(fine.round().clip(0, 255).astype(np.uint8))
