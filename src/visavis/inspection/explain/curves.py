"""Deletion and insertion: Petsiuk et al. 2018, RISE, section 4.2.

The one idea: take the pixels away that a map holds for the most important, one part after another: the better the map,
the sooner the network loses its answer; put into a blurred image, the sooner it finds it.

The paper takes pixels away by making them grey. On drawings on white that puts in edges which end any answer at once,
whatever the order, so here they are blurred in both directions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

PARTS = 16  # in which the pixels are taken away or put in
BLUR = 1 / 10  # of the image's side: the deviation of the Gaussian that hides what is to be put in
CELLS = 8  # a side, of the random map that is compared with: as coarse as maps are


@torch.no_grad()
def exchange(run: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, order: np.ndarray) -> np.ndarray:
    """A network's answer as one image becomes another, pixel by pixel, [PARTS + 1].

    Deletion goes from the whole image to the blurred one, insertion back.

    Args:
        run: Images [batch, 3, side, side] to answers [batch].
        start: Preprocessed, [3, side, side].
        end: Likewise.
        order: Of the pixels in reading order, those first that are exchanged first, int [side * side].
    """
    images = start.repeat(PARTS + 1, 1, 1, 1)  # [PARTS + 1, 3, side, side]
    flat = images.flatten(2)
    for step in range(1, PARTS + 1):
        gone = torch.from_numpy(order[: round(step * len(order) / PARTS)])
        flat[step][:, gone] = end.flatten(1)[:, gone]
    return run(images).numpy()


def area(curves: np.ndarray) -> np.ndarray:
    """Area under curves [..., PARTS + 1] over [0, 1], by trapezoids: [...]."""
    return (curves[..., 1:] + curves[..., :-1]).mean(axis=-1) / 2


def order_of(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Pixels from the highest to the lowest of a map [side, side], equal ones in a random order."""
    return np.lexsort((generator.random(values.size), -values.ravel()))


def random_map(side: int, generator: np.random.Generator) -> np.ndarray:
    """A map that knows nothing, as smooth as others are: [side, side]."""
    noise = torch.from_numpy(generator.random((1, 1, CELLS, CELLS)))
    return F.interpolate(noise, size=(side, side), mode="bilinear", align_corners=False)[0, 0].numpy()


def blurred(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [side, side, 3] of which only blots are left."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(BLUR * len(picture))))
