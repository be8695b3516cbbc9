"""Two halves of the test images: what is fitted on one is judged on the other, and the other way round.

Temperatures and the weights of an ensemble are chosen this way. Out-of-fold scores of the training part would do for
a probe, but naming and zero-shot meet no training image, and a fit for each fold would cost as much as the study.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def second_half(classes: np.ndarray, groups: Sequence[str], seed: int) -> np.ndarray:
    """Whether each image is of the second half, bool [images].

    Each class is divided evenly, up to one image; classes of one image are divided evenly among themselves. Images of
    one group stay together and count as of their first image's class.

    Args:
        classes: Number of each image's class [images].
        groups: What belongs together, [images]; "" where an image stands alone.
        seed: Of the draw.
    """
    names = [group or number for number, group in enumerate(groups)]  # a lone image is a group of its own
    first: dict[object, int] = {}
    for number, name in enumerate(names):
        first.setdefault(name, number)
    leaders = np.array(list(first.values()))
    by_chance = np.random.default_rng(seed).permutation(len(leaders))
    order = np.lexsort((by_chance, classes[leaders]))  # by class; within it, by chance
    place = np.empty(len(leaders), int)
    place[order] = np.arange(len(leaders))
    half = dict(zip(first, place % 2 == 1, strict=True))
    return np.array([half[name] for name in names], bool)
