"""Grad-CAM: Selvaraju et al. 2017, section 3.

The one idea: a late map of a convolutional network still has places. Weigh each of its channels by how much the score
would rise with it, add the channels up, and keep what speaks for the target.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

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

    Only maps count that all of the image passes: none inside a block, where a shortcut leads past them. None where
    there is no such map, or where maps end with their channels last, as in Swin Transformers.
    """
    ended: dict[nn.Module, tuple[int, int]] = {}  # in the order of the last calls, as ReLUs are called again and again

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        ended.pop(module, None)
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:].numel() > 1:
            ended[module] = (output.shape[2], output.shape[3])

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        with torch.no_grad():
            run(pixels[:1])
    finally:
        for handle in handles:
            handle.remove()
    in_line = set(_in_line(network, ended))
    maps = [(module, rows, columns) for module, (rows, columns) in reversed(ended.items()) if module in in_line]
    if not maps or maps[0][1] != maps[0][2]:
        return None
    return next((module for module, rows, columns in maps if rows == columns >= least), None)


def _in_line(module: nn.Module, with_map: Container[nn.Module]) -> Iterator[nn.Module]:
    """Modules that follow one another: no parts of one that puts out a map, but for a sequence's."""
    for child in module.children():
        yield child
        if child not in with_map or isinstance(child, nn.Sequential):
            yield from _in_line(child, with_map)
