"""ImageNet-C's digital corruptions: little contrast, stretched parts, large pixels, hard compression.

Pixels are 0 to 1, [height, width, 3]; severities 1 to 5. Source, for method and numbers: Hendrycks and Dietterich 2019
and the code published with it.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates

CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
# how far points move, how smoothly, and how far three corners move; in pixels (244 is theirs)
ELASTIC = tuple(
    (244 * far, 244 * smooth, 244 * corners)
    for far, smooth, corners in (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )
)
PIXELS = (0.6, 0.5, 0.4, 0.3, 0.25)  # of the picture's sides
QUALITY = (25, 18, 15, 10, 7)


def contrast(pixels: np.ndarray, severity: int) -> np.ndarray:
    """Draws all values towards their channel's mean."""
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    return (pixels - mean) * CONTRAST[severity - 1] + mean


def elastic_transform(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Stretches the picture by its corners, then moves its points by smooth fields."""
    far, smooth, corners = ELASTIC[severity - 1]
    height, width = pixels.shape[:2]
    stretched = _stretched(pixels, corners, generator)
    across, down = (
        gaussian_filter(generator.uniform(-1, 1, (height, width)), smooth, mode="reflect", truncate=3) * far
        for _ in range(2)
    )
    rows, columns = np.mgrid[:height, :width]
    places = np.stack([rows + down, columns + across])
    moved = [map_coordinates(channel, places, order=1, mode="reflect") for channel in np.moveaxis(stretched, 2, 0)]
    return np.stack(moved, axis=2)


def pixelate(image: Image.Image, severity: int) -> Image.Image:
    """Fewer and larger pixels."""
    share = PIXELS[severity - 1]
    small = image.resize((int(image.width * share), int(image.height * share)), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BOX)


def jpeg_compression(image: Image.Image, severity: int) -> Image.Image:
    """Saved as JPEG of low quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY[severity - 1])
    return Image.open(file).convert("RGB")


def _stretched(pixels: np.ndarray, corners: float, generator: np.random.Generator) -> np.ndarray:
    """The affine map that moves three corners of a square in the middle by up to so many pixels each way."""
    height, width = pixels.shape[:2]
    middle, third = np.array([height // 2, width // 2], float), min(height, width) // 3
    # (x, y) of the published code, whose middle is (row, column)
    before = middle + third * np.array([(1, 1), (1, -1), (-1, -1)])
    after = before + generator.uniform(-corners, corners, before.shape)
    homogeneous = np.column_stack([after, np.ones(3)])  # from places after to places before
    back = np.linalg.solve(homogeneous, before).T[::-1]  # [row and column, (x, y, 1)]
    matrix, offset = back[:, 1::-1], back[:, 2]
    return np.stack(
        [affine_transform(channel, matrix, offset, order=1, mode="mirror") for channel in np.moveaxis(pixels, 2, 0)],
        axis=2,
    )
