"""How much of the image really moves one place of a layer: its effective receptive field.

The one idea: a pixel matters to a place as much as the place's numbers change with it. The gradient of a random
combination of the place's channels, squared, is on average the sum of the squared gradients of all of them; so one
backward pass for each image and layer is enough, for a convolution and for a token alike.

Source: Luo et al. 2016, Understanding the Effective Receptive Field in Deep Convolutional Neural Networks, section 3:
a pixel belongs to the field if its gradient is at least 1 - 95.45% of the highest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.inspection.sight.taps import Tap, as_grid, listen

SHARE = 1 - 0.9545  # of the highest gradient; two standard deviations of a Gaussian
SEED = 0  # of the random combinations


def effective_fields(
    encoder: Encoder,
    taps: Sequence[Tap],
    pixels: Tensor,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """The root mean square gradient of each layer's middle place with respect to each pixel.

    Args:
        encoder: The network.
        taps: Layers of it.
        pixels: Preprocessed images [images, 3, side, side].
        progress: Called with images done and images in all.

    Returns:
        float64 [taps, side, side], over images, channels of the place and colours; a layer through which no gradient
        runs is NaN.
    """
    generator = torch.Generator().manual_seed(SEED)
    power = torch.zeros(len(taps), *pixels.shape[2:], dtype=torch.float64)
    for number, image in enumerate(
        pixels.split(1)
    ):  # one at a time: the graph of a large network holds gigabytes for many
        given = image.clone().requires_grad_()
        scores: dict[int, Tensor] = {}

        def combine(at: int, heard: Tensor, scores: dict[int, Tensor] = scores) -> None:
            grid = as_grid(heard)
            if grid is not None:
                middle = grid[0, grid.shape[1] // 2, grid.shape[2] // 2]  # [channels]
                scores[at] = middle @ torch.randn(len(middle), generator=generator)

        with torch.enable_grad(), listen(encoder.image_tower, taps, combine):
            encoder.trace_pixels(given)
        for at in range(len(taps)):
            score = scores.get(at)
            if score is None or not score.requires_grad:
                power[at] = math.nan
                continue
            (gradient,) = torch.autograd.grad(score, given, retain_graph=True)
            power[at] += gradient[0].double().square().sum(dim=0)
        progress(number + 1, len(pixels))
    return (power / len(pixels)).sqrt()


def side_of(field: Tensor) -> float:
    """Side in pixels of a square with as many pixels as have a gradient of at least `SHARE` of the highest.

    Args:
        field: Gradients of one layer, [side, side], none below 0. NaN gives NaN; a layer that no pixel moves sees 0.
    """
    highest = float(field.max())
    if math.isnan(highest):
        return math.nan
    return math.sqrt(int((field >= SHARE * highest).sum())) if highest else 0.0
