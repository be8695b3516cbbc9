"""The sanity check by randomised weights: Adebayo et al. 2018, Sanity Checks for Saliency Maps, section 4.

The one idea: a map that stays when the network has forgotten all it learnt shows the image, not the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

STEPS = 5


@contextmanager
def randomised(network: nn.Module, share: float, seed: int) -> Iterator[None]:
    """While the context lasts, the last modules of a network hold their own weights in a random order.

    Shuffled weights keep their distribution and lose what they knew. Afterwards the very same tensors are back.

    Args:
        network: Whose modules stand in the order in which they run.
        share: Of the modules that have weights, from the top: 0 for none, 1 for all.
        seed: Of the orders.
    """
    weighted = [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None]
    chosen = weighted[len(weighted) - round(share * len(weighted)) :]
    parameters = [parameter for module in chosen for parameter in module.parameters(recurse=False)]
    kept = [parameter.data for parameter in parameters]
    generator = torch.Generator().manual_seed(seed)
    try:
        for parameter in parameters:
            parameter.data = shuffled(parameter.data, generator)
        yield
    finally:
        for parameter, data in zip(parameters, kept, strict=True):
            parameter.data = data


def shuffled(values: Tensor, generator: torch.Generator) -> Tensor:
    """The same values in a random order."""
    order = torch.randperm(values.numel(), generator=generator)
    return values.flatten()[order].view(values.shape)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of two maps; 0 where one is the same all over, since it then says nothing."""
    ranks = [rankdata(values) for values in (a, b)]
    centred = [values - values.mean() for values in ranks]
    lengths = float(np.linalg.norm(centred[0]) * np.linalg.norm(centred[1]))
    return float(centred[0] @ centred[1]) / lengths if lengths else 0.0
