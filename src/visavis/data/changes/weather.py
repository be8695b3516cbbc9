"""ImageNet-C's weather: snow, frost, fog, and glaring light.

Pixels are 0 to 1, [height, width, 3]; severities 1 to 5. Source, for method and numbers: Hendrycks and Dietterich 2019
and the code published with it. Frost is not theirs: they lay photographs of frosted panes over the image, whose rights
are unknown; here the frost is drawn by chance, with the brightness, contrast and spectrum of those photographs.
"""

from __future__ import annotations

import numpy as np

from visavis.data.changes.blur import enlarged_middle, smear

# mean and deviation of the flakes, their size, the least that shows, radius and deviation of their fall, clear share
SNOW = (
    (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
FROST = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))  # shares of the image and of the frost
FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))  # thickness, how soon details fade
BRIGHTER = (0.1, 0.2, 0.3, 0.4, 0.5)
# Of 224 x 224 cuts of the five photographs in use: luma's mean and deviation lie in these ranges, colour is this much
# of the luma, and the power falls with the frequency to about the power 1.8. Ridges take 0.16 off that power's half.
PANE_MEANS = (0.44, 0.80)
PANE_DEVIATIONS = (0.06, 0.14)
PANE_TINT = (0.90, 1.02, 1.09)
PANE_FALLS = 1.8
SHARPENED = 0.16
LUMA = np.array([0.299, 0.587, 0.114])


def snow(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Streaks of flakes fall before a whitened scene."""
    mean, deviation, size, least, radius, fall, clear = SNOW[severity - 1]
    flakes = enlarged_middle(generator.normal(mean, deviation, pixels.shape[:2]), size)
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1)
    flakes = smear(flakes, radius, fall, generator.uniform(-135, -45))
    flakes = np.round(flakes * 255)[..., None] / 255
    white = np.maximum(pixels, (pixels @ LUMA)[..., None] * 1.5 + 0.5)
    return clear * pixels + (1 - clear) * white + flakes + np.rot90(flakes, 2)


def frost(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Bright filaments of ice over the picture."""
    image, ice = FROST[severity - 1]
    return image * pixels + ice * frosted_pane(pixels.shape[0], pixels.shape[1], generator)


def fog(pixels: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """A bank of fog, thicker here and thinner there; the whole is as bright as before."""
    thickness, fading = FOG[severity - 1]
    height, width = pixels.shape[:2]
    bank = plasma(1 << (max(height, width) - 1).bit_length(), fading, generator)[:height, :width, None]
    brightest = pixels.max()
    return (pixels + thickness * bank) * brightest / (brightest + thickness)


def brightness(pixels: np.ndarray, severity: int) -> np.ndarray:
    """Raises the value of hue, saturation and value: the channels keep their ratios."""
    value = pixels.max(axis=2, keepdims=True)
    brighter = (value + BRIGHTER[severity - 1]).clip(0, 1)
    return np.where(value > 0, pixels * brighter / np.where(value > 0, value, 1), brighter)


def frosted_pane(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """Frost as it would look on black, 0 to 1 [height, width, 3]."""
    down, right = np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width
    frequency = np.hypot(down * 224 / height, right * 224 / width)
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(generator.normal(size=(height, width))) / frequency ** (PANE_FALLS / 2 + SHARPENED)
    ridges = -np.abs(np.fft.irfft2(waves, (height, width)))  # bright where the noise changes its sign
    ridges = (ridges - ridges.mean()) / ridges.std()
    mean, deviation = generator.uniform(*PANE_MEANS), generator.uniform(*PANE_DEVIATIONS)
    return ((mean + deviation * ridges)[..., None] * np.array(PANE_TINT)).clip(0, 1)


def plasma(side: int, fading: float, generator: np.random.Generator) -> np.ndarray:
    """A cloud between 0 and 1, [side, side], by the diamond-square algorithm on a torus.

    Points between known ones get their mean and a deviation, which falls by the factor `fading` as the steps halve.

    Args:
        side: A power of two.
        fading: Above 1; the larger, the smoother.
        generator: Of the deviations.
    """
    cloud = np.zeros((side, side))
    step, most = side, 100.0

    def between(total: np.ndarray) -> np.ndarray:
        return total / 4 + most * generator.uniform(-most, most, total.shape)

    while step >= 2:
        half = step // 2
        corners = cloud[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        centres = between(pairs + np.roll(pairs, -1, 1))
        cloud[half::step, half::step] = centres
        cloud[::step, half::step] = between(corners + np.roll(corners, -1, 1) + centres + np.roll(centres, 1, 0))
        cloud[half::step, ::step] = between(corners + np.roll(corners, -1, 0) + centres + np.roll(centres, 1, 1))
        step, most = half, most / fading
    cloud -= cloud.min()
    return cloud / cloud.max()
