"""Shape without its texture: outlines alone, and tones that are filled with other patterns.

Geirhos et al. 2019 (ImageNet-trained CNNs are biased towards texture) draw outlines with Canny's detector and replace
textures by a network that paints in the style of pictures. `edges` is a plain gradient and `retextured` fills regions
of like tone with gratings: no network has a part in it, and results on it are not those on their images.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, sobel

FINEST = 1 / 112  # of the shorter side: deviation that smooths before edges are looked for
COARSER = 1 / 60  # the same before tones are told apart
STRONG = 99  # percentile of the gradient that is drawn black
TONES = 5
STRIPES = (8, 28)  # over the shorter side
DEPTH = 40  # of the stripes, in levels of 255
TINT = 50


def edges(image: Image.Image) -> Image.Image:
    """Dark lines on white where luma changes."""
    luma = gaussian_filter(np.asarray(image.convert("L"), np.float32), FINEST * min(image.size))
    strength = np.hypot(sobel(luma, 0), sobel(luma, 1))
    ink = strength / max(float(np.percentile(strength, STRONG)), 1.0)
    return Image.fromarray((255 * (1 - ink.clip(0, 1))).round().astype(np.uint8)).convert("RGB")


def retextured(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Five tones from dark to light, as many pixels in each; each shows a grating of its own angle, width and colour.

    A tone keeps its mean luma: what stays is the shape of its regions and which are darker.
    """
    luma = gaussian_filter(np.asarray(image.convert("L"), np.float32), COARSER * min(image.size))
    bounds = np.quantile(luma, np.arange(1, TONES) / TONES)
    tone = np.searchsorted(bounds, luma, side="right")  # [height, width]
    rows, columns = np.indices(luma.shape) / min(luma.shape)
    painted = np.empty((*luma.shape, 3), np.float32)
    for number in range(TONES):
        inside = tone == number
        angle, stripes = generator.uniform(0, np.pi), generator.uniform(*STRIPES)
        tint = generator.uniform(-TINT, TINT, 3)
        if inside.any():
            wave = np.sin(2 * np.pi * stripes * (rows[inside] * np.sin(angle) + columns[inside] * np.cos(angle)))
            painted[inside] = luma[inside].mean() + DEPTH * wave[:, None] + tint - tint @ (0.299, 0.587, 0.114)
    return Image.fromarray(painted.round().clip(0, 255).astype(np.uint8))
