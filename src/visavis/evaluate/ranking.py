"""How often each of several models has each rank, and how often they stand in one order."""

from __future__ import annotations

from collections import defaultdict
from itertools import permutations, product

import numpy as np

EQUAL = 1e-9  # sums of the same numbers in another order are not exact
MOST_LEVEL = 6  # models level at once whose orders are all counted; more share the one of their columns


def rank_shares(values: np.ndarray) -> np.ndarray:
    """Share of rows in which each column has each rank; columns that are level share their ranks evenly.

    Args:
        values: The greater the better, [rows, models].

    Returns:
        [models, ranks], of which each row and each column sums to 1.
    """
    rows, models = values.shape
    shares = np.zeros((models, models))
    for model in range(models):
        own = values[:, [model]]
        ahead = (values > own + EQUAL).sum(axis=1)  # [rows]
        level = (np.abs(values - own) <= EQUAL).sum(axis=1)  # itself among them
        for count in np.unique(level):
            firsts = np.bincount(ahead[level == count], minlength=models)
            for place in range(count):
                shares[model, place:] += firsts[: models - place] / count
    return shares / rows


def order_shares(values: np.ndarray) -> dict[tuple[int, ...], float]:
    """Share of rows in which the columns stand in each order, the best first; orders of level columns share evenly.

    Args:
        values: The greater the better, [rows, models].

    Returns:
        Shares by order, the likeliest first.
    """
    order = np.argsort(-values, axis=1, kind="stable")  # [rows, models]
    ordered = np.take_along_axis(values, order, axis=1)
    level = ordered[:, :-1] - ordered[:, 1:] <= EQUAL  # with the next
    kinds, counts = np.unique(np.hstack([order, level]), axis=0, return_counts=True)
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
        orders = _orders(kind[: values.shape[1]], kind[values.shape[1] :])
        for one in orders:
            found[one] += count / len(orders)
    return {one: rows / len(values) for one, rows in sorted(found.items(), key=lambda item: -item[1])}


def _orders(order: list[int], level: list[int]) -> list[tuple[int, ...]]:
    """All orders of what stands level with its next."""
    runs = [[order[0]]]
    for place, tied in zip(order[1:], level, strict=True):
        if tied:
            runs[-1].append(place)
        else:
            runs.append([place])
    ways = [permutations(run) if len(run) <= MOST_LEVEL else [tuple(run)] for run in runs]
    return [tuple(place for run in way for place in run) for way in product(*ways)]
