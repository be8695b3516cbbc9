"""Grad-CAM: Selvaraju et al. 2017, section 3.

The one idea: a late map of a convolutional network still has places. Weigh each of its channels by how much the score
would rise with it, add the channels up, and keep what speaks for the target.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Run = Callable[[Tensor], Tensor]  # images [batch, 3, side, side] to one number each, [batch]


def grad_cam(run: Run, layer: nn.Module, pixels: Tensor) -> Tensor:
    """The map of each image, [batch, rows, columns] of the layer's grid, none below 0.

    A channel's weight is the mean of its gradient over all places (equation 1), the map the positive part of the
    weighted sum of channels (equation 2). Before CLIP's attention pooling the gradient runs through the pooling, its
    queries and keys included.

    Args:
        run: Images to scores, within autograd's graph.
        layer: The module whose output, [batch, channels, rows, columns], is explained.
        pixels: Preprocessed images [batch, 3, side, side].
    """
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        with torch.enable_grad():
            scores = run(pixels.clone().requires_grad_())
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(scores.sum(), kept[-1])
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # [batch, channels, 1, 1]
    return (weights * kept[-1].detach()).sum(dim=1).clamp(min=0)  # [batch, rows, columns]


def last_map(run: Run, network: nn.Module, pixels: Tensor, least: int) -> nn.Module | None:
    """The module that ends last among those whose output is a square map with at least `least` places a side.

    None where there is none, or where maps end with their channels last, as in Swin Transformers.
    """
    found: list[tuple[nn.Module, tuple[int, ...]]] = []

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:].numel() > 1:
            found.append((module, tuple(output.shape)))

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        with torch.no_grad():
            run(pixels[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not found or found[-1][1][2] != found[-1][1][3]:
        return None
    return next((module for module, shape in reversed(found) if shape[2] == shape[3] >= least), None)
