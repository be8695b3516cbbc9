"""ImageNet-C's noise: what a dark scene and a faulty sensor add.

Pixels are 0 to 1, [height, width, 3]; severities 1 to 5. Source, for method and numbers: Hendrycks and Dietterich 2019,
Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, and the code published with it.
"""

from __future__ import annotations

import numpy as np

GAUSSIAN_DEVIATION = (0.08, 0.12, 0.18, 0.26, 0.38)
PHOTONS = (60, 25, 12, 5, 3)  # that a white pixel collects
IMPULSES = (0.03, 0.06, 0.09, 0.17, 0.27)  # share of the values


def gaussian_noise(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Adds normal noise to every value."""
    return pixels + generator.normal(0.0, GAUSSIAN_DEVIATION[severity - 1], pixels.shape)


def shot_noise(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Counts photons, whose number scatters as Poisson's law says."""
    photons = PHOTONS[severity - 1]
    return generator.poisson(pixels * photons) / photons


def impulse_noise(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Replaces some values by black or white, each channel for itself."""
    replaced = generator.random(pixels.shape) <= IMPULSES[severity - 1]
    white = generator.random(pixels.shape) <= 0.5
    return np.where(replaced, white, pixels)
