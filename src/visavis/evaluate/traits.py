"""What can be measured of a picture without any model, each as one number.

Sources: colourfulness, Hasler and Süsstrunk 2003, Measuring colourfulness in natural images; sharpness as the variance
of the Laplacian, Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy; texture by the coherence of
the structure tensor, Bigün and Granlund 1987, Optimal orientation detection of linear symmetry. Text takes a model:
`visavis.evaluate.text_in_pictures`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

EDGE = 0.1  # of black to white from one pixel to the next
AROUND = 2.0  # pixels about a place that its structure is averaged over
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def traits_of(pixels: np.ndarray, size: tuple[int, int]) -> dict[str, float]:
    """All traits of a picture.

    Args:
        pixels: uint8 [height, width, 3], at most some hundred pixels a side: the picture made that small.
        size: Width and height of the picture as it came.
    """
    colours = pixels.astype(np.float32) / 255
    grey = colours @ _LUMA  # [height, width]
    measured = {name: float(measure(grey)) for name, measure in OF_GREY.items()}
    return {
        "size": float(np.sqrt(size[0] * size[1])),
        "elongation": float(abs(np.log2(size[0] / size[1]))),
        "colourfulness": colourfulness(colours),
        **measured,
    }


def colourfulness(colours: np.ndarray) -> float:
    """Spread and mean of the two opponent colours, 0 for a grey picture: [height, width, 3] from 0 to 1."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    against_green, against_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(against_green.std(), against_blue.std())
    return float(spread + 0.3 * np.hypot(against_green.mean(), against_blue.mean()))


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian, as a logarithm: blur makes it small."""
    return float(np.log10(ndimage.laplace(grey).var() + 1e-8))


def edges(grey: np.ndarray) -> float:
    """The share of places with a steep change of brightness."""
    return float((np.hypot(*_slopes(grey)) > EDGE).mean())


def fineness(grey: np.ndarray) -> float:
    """The share of the spectrum's power above a quarter of the highest frequency; 0 for a plain picture."""
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1]))
    return float(power[radius > 0.125].sum() / max(power.sum(), 1e-12))


def texture(grey: np.ndarray) -> float:
    """How far slopes point every way about a place, as in a texture, rather than one way, as along an outline.

    One less the coherence of the structure tensor, weighted by the slopes: 0 for a single straight edge, 1 for noise.
    """
    down, across = _slopes(grey)
    mean = [ndimage.gaussian_filter(product, AROUND) for product in (down**2, across**2, down * across)]
    energy = mean[0] + mean[1]
    coherence = np.hypot(mean[0] - mean[1], 2 * mean[2]) / np.maximum(energy, 1e-12)
    return float(1 - (coherence * energy).sum() / max(energy.sum(), 1e-12)) if energy.sum() > 1e-9 else 0.0


def _slopes(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change of brightness from one pixel to the next, downwards and across."""
    return ndimage.sobel(grey, axis=0) / 8, ndimage.sobel(grey, axis=1) / 8


OF_GREY: dict[str, Callable[[np.ndarray], float]] = {
    "brightness": np.mean,
    "contrast": np.std,
    "sharpness": sharpness,
    "edges": edges,
    "fineness": fineness,
    "texture": texture,
}
