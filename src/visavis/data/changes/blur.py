"""ImageNet-C's blurs: out of focus, behind frosted glass, in motion, zooming.

Pixels are 0 to 1, [height, width, 3]; severities 1 to 5. Source, for method and numbers: Hendrycks and Dietterich 2019
and the code published with it. The motion blur there is ImageMagick's: a one-sided Gaussian along a line.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter
from scipy.signal import fftconvolve

DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))  # radius, deviation that softens the disc's edge
GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))  # deviation, reach, rounds
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius, deviation
ZOOM = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))  # end, step


def defocus_blur(pixels: np.ndarray, severity: int) -> np.ndarray:
    """Every point becomes a disc."""
    kernel = _disc(*DEFOCUS[severity - 1])
    reach = len(kernel) // 2
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    return fftconvolve(padded, kernel[:, :, None], mode="valid", axes=(0, 1))


def glass_blur(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Pixels take the place of near ones, between two Gaussian blurs.

    In the published code the two pixels were to be exchanged, but the first is overwritten before it is read: one is
    copied over the other. The published images are made that way, and so are these.
    """
    deviation, reach, rounds = GLASS[severity - 1]
    soft = (_gaussian(pixels, deviation) * 255).astype(np.uint8)
    height, width = soft.shape[:2]
    rows, columns = range(height - reach, reach, -1), range(width - reach, reach, -1)
    moves = generator.integers(-reach, reach, size=(rounds, len(rows), len(columns), 2))
    steps = (moves[..., 1] * width + moves[..., 0]).tolist()
    source = list(range(height * width))  # the pixel that now stands at each place
    for of_round in steps:
        for row, of_row in zip(rows, of_round, strict=True):
            start = row * width
            for column, step in zip(columns, of_row, strict=True):
                source[start + column] = source[start + column + step]
    shuffled = soft.reshape(-1, 3)[source].reshape(soft.shape)
    return _gaussian(shuffled / 255.0, deviation)


def motion_blur(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """The camera moves in a direction within 45 degrees of level."""
    radius, deviation = MOTION[severity - 1]
    return smear(pixels, radius, deviation, generator.uniform(-45, 45))


def zoom_blur(pixels: np.ndarray, severity: int) -> np.ndarray:
    """The camera nears while it exposes: the mean of the picture and its enlarged middles."""
    end, step = ZOOM[severity - 1]
    factors = np.arange(1, end, step)
    return (pixels + sum(enlarged_middle(pixels, factor) for factor in factors)) / (len(factors) + 1)


def smear(pixels: np.ndarray, radius: int, deviation: float, degrees: float) -> np.ndarray:
    """Averages along a line that starts at each pixel, with the weights of half a Gaussian; borders continue.

    Args:
        pixels: [height, width, ...].
        radius: The line has 2 * radius + 1 points.
        deviation: Of the Gaussian, in points.
        degrees: Of the line, clockwise from the left.
    """
    points = np.arange(2 * radius + 1)
    weights = np.exp(-(points**2) / (2 * deviation**2))
    direction = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    height, width = pixels.shape[:2]
    blurred = np.zeros(pixels.shape)
    for point, weight in zip(points, weights / weights.sum(), strict=True):
        down, right = (math.ceil(point * share - 0.5) for share in direction)
        rows = (np.arange(height) + down).clip(0, height - 1)
        columns = (np.arange(width) + right).clip(0, width - 1)
        blurred += weight * pixels[rows][:, columns]
    return blurred


def enlarged_middle(pixels: np.ndarray, factor: float) -> np.ndarray:
    """The middle 1 / factor of each side, drawn as large as the whole by linear interpolation; [height, width, ...]."""
    for axis in (0, 1):
        whole = pixels.shape[axis]
        part = math.ceil(whole / factor)
        places = np.linspace(0, part - 1, round(part * factor))  # the ends stay the ends
        places = places[(len(places) - whole) // 2 :][:whole] + (whole - part) // 2
        below = np.floor(places).astype(int).clip(0, whole - 2)
        share = np.expand_dims(places - below, tuple(range(1, pixels.ndim)))
        along = np.moveaxis(pixels, axis, 0)
        pixels = np.moveaxis(along[below] * (1 - share) + along[below + 1] * share, 0, axis)
    return pixels


def _disc(radius: int, deviation: float) -> np.ndarray:
    """Weights of a disc, which add up to 1 until its edge is softened; the largest lose or gain a little by that."""
    reach = max(8, radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (rows**2 + columns**2 <= radius**2) / np.count_nonzero(rows**2 + columns**2 <= radius**2)
    edge = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    softening = np.exp(-(edge**2) / (2 * deviation**2))
    for axis in (0, 1):
        disc = correlate1d(disc, softening / softening.sum(), axis, mode="mirror")
    return disc


def _gaussian(pixels: np.ndarray, deviation: float) -> np.ndarray:
    return gaussian_filter(pixels, (deviation, deviation, 0), mode="nearest")
