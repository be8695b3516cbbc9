"""Which images to learn from when accuracy on a group is to be told for learning within it and for learning elsewhere.

Both draw equally many training images of the same classes, so that only where they come from differs.
"""

from __future__ import annotations

import numpy as np


def matched(classes: np.ndarray, wanted: np.ndarray, pool: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Places of images from a pool, as many of each class as are wanted.

    Args:
        classes: Number of each image's class [images].
        wanted: Places whose classes are to be matched [wanted].
        pool: Places to draw from, without replacement [pool].
        generator: Of the draw.

    Returns:
        Places [at most wanted]; a class of which the pool has fewer gives all it has.
    """
    drawn = []
    for number in np.unique(classes[wanted]):
        own = pool[classes[pool] == number]
        count = min(len(own), int((classes[wanted] == number).sum()))
        drawn.append(generator.choice(own, count, replace=False) if count else own[:0])
    return np.concatenate(drawn) if drawn else pool[:0]
