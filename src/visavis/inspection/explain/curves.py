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


def deletion(run: Callable[[Tensor], Tensor], image: Tensor, blurred: Tensor, order: np.ndarray) -> np.ndarray:
    """A network's answer as pixels become blurred, [PARTS + 1], from the whole image to blots.

    Args:
        run: Images [batch, 3, side, side] to answers [batch].
        image: Preprocessed, [3, side, side].
        blurred: The same without what makes it known.
        order: Of the pixels in reading order, the most important first, int [side * side].
    """
    return _exchange(run, image, blurred, order)


def insertion(run: Callable[[Tensor], Tensor], image: Tensor, blurred: Tensor, order: np.ndarray) -> np.ndarray:
    """A network's answer as pixels become sharp, [PARTS + 1], from the blurred image to the whole; see `deletion`."""
    return _exchange(run, blurred, image, order)


def area(curve: np.ndarray) -> float:
    """Area under a curve over [0, 1], by trapezoids."""
    return float((curve[1:] + curve[:-1]).mean() / 2)


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


@torch.no_grad()
def _exchange(run: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, order: np.ndarray) -> np.ndarray:
    images = start.repeat(PARTS + 1, 1, 1, 1)  # [PARTS + 1, 3, side, side]
    flat = images.flatten(2)
    for step in range(1, PARTS + 1):
        gone = torch.from_numpy(order[: round(step * len(order) / PARTS)])
        flat[step][:, gone] = end.flatten(1)[:, gone]
    return run(images).numpy()
