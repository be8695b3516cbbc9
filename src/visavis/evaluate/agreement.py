"""Do two observers fail on the same images? Error consistency: Geirhos et al. 2020, Beyond accuracy, section 2.

Two observers who are often right agree often by accuracy alone. Cohen's kappa takes that share out: 0 is no more than
chance, 1 the same answers right and wrong, below 0 errors that avoid each other.
"""

from __future__ import annotations

import numpy as np


def error_consistency(agreement: np.ndarray, accuracy_a: np.ndarray, accuracy_b: np.ndarray) -> np.ndarray:
    """Cohen's kappa of being right or wrong together.

    Args:
        agreement: Share of images on which both are right or both wrong, any shape.
        accuracy_a: Share that the first has right, on the same images.
        accuracy_b: Share that the second has right.

    Returns:
        The same shape, at most 1; NaN where both are always right or both always wrong, so that nothing can be told.

    >>> float(error_consistency(np.array(0.8), np.array(0.8), np.array(0.8)).round(3))  # 0.68 would be chance
    0.375
    """
    chance = accuracy_a * accuracy_b + (1 - accuracy_a) * (1 - accuracy_b)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 is the NaN that is meant
        return np.where(chance < 1, (agreement - chance) / (1 - chance), np.nan)
