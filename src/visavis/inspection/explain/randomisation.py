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

from visavis.inspection.explain.material import Maps

STEPS = 5


def forgetting(
    network: nn.Module, own: Maps, lost: Maps, pictures: np.ndarray, asked: np.ndarray, seed: int
) -> np.ndarray:
    """Rank correlations of a network's maps with those that it makes as it forgets, [images, 1 + STEPS].

    Args:
        network: Whose weights are randomised: in the first column none, in the last all, from the top.
        own: Makes its maps.
        lost: Makes them of a target that was randomised before.
        pictures: uint8 [images, side, side, 3].
        asked: What each is asked for, int [images].
        seed: Of the random orders of the weights.
    """
    maps, columns = own(pictures, asked), []
    for step in range(STEPS + 1):
        with randomised(network, step / STEPS, seed):
            others = lost(pictures, asked)
        columns.append([rank_correlation(a.numpy(), b.numpy()) for a, b in zip(maps, others, strict=True)])
    return np.array(columns).T


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
    ranks = [rankdata(values.ravel()) for values in (a, b)]
    centred = [values - values.mean() for values in ranks]
    lengths = float(np.linalg.norm(centred[0]) * np.linalg.norm(centred[1]))
    return float(centred[0] @ centred[1]) / lengths if lengths > 0 else 0.0
