"""Where things are: cells that change places, cells that are covered.

Shuffled cells keep all texture and destroy shape above their size: who still recognises an image goes by what is small.
Source: Brendel and Bethge 2019, Approximating CNNs with bag-of-local-features models, section 4.3; Naseer et al. 2021,
Intriguing properties of Vision Transformers, sections 3.1 and 3.3.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

OCCLUSION_GRID = 14  # cells a side; Naseer et al. drop cells of a 14 x 14 grid


def patch_shuffle(image: Image.Image, grid: float, generator: np.random.Generator) -> Image.Image:
    """Cuts into grid x grid cells of one size, which change places; what is left over at right and bottom stays."""
    cells, pixels = int(grid), np.array(image)  # [height, width, 3]
    height, width = pixels.shape[0] // cells, pixels.shape[1] // cells
    inner = pixels[: height * cells, : width * cells]
    cut = inner.reshape(cells, height, cells, width, 3).swapaxes(1, 2).reshape(cells**2, height, width, 3)
    cut = cut[generator.permutation(cells**2)]
    joined = cut.reshape(cells, cells, height, width, 3).swapaxes(1, 2)
    pixels[: height * cells, : width * cells] = joined.reshape(inner.shape)
    return Image.fromarray(pixels)


def occlusion(image: Image.Image, percent: float, generator: np.random.Generator) -> Image.Image:
    """Covers that share of the cells of a grid with the picture's mean colour."""
    pixels = np.array(image)
    colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    rows, columns = (np.arange(side) * OCCLUSION_GRID // side for side in pixels.shape[:2])  # the cell of each
    covered = np.zeros(OCCLUSION_GRID**2, bool)
    covered[generator.permutation(covered.size)[: round(percent / 100 * covered.size)]] = True
    pixels[covered.reshape(OCCLUSION_GRID, OCCLUSION_GRID)[rows[:, None], columns]] = colour
    return Image.fromarray(pixels)


def silhouette(image: Image.Image) -> Image.Image:
    """Black where the picture differs from its border's colour, else white: shape alone, where the ground is plain.

    The threshold is Otsu's (1979) on the distance from the border's median colour.
    """
    pixels = np.asarray(image, np.float32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    distance = np.linalg.norm(pixels - np.median(border, axis=0), axis=2)  # [height, width]
    differs = distance > _otsu(distance)
    return Image.fromarray(np.where(differs, 0, 255).astype(np.uint8)).convert("RGB")


def _otsu(values: np.ndarray) -> float:
    """The threshold between two groups of values that leaves the least variance within; the highest of equal values."""
    if values.min() == values.max():
        return float(values.max())
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = values.size - below
    sums = (counts * centres).cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):  # one group alone has no variance between
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nan_to_num(between).argmax())])
