"""Error consistency of pairs, with intervals: of a study's models, and of recorded observers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visavis.evaluate.agreement import error_consistency
from visavis.study.bootstrap import Estimates, Resampling, resampled_means, tails


def estimate_consistencies(
    right: np.ndarray,
    asked: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    strata: np.ndarray,
    resampling: Resampling,
) -> Estimates:
    """Cohen's kappa of being right or wrong together, on the images that both of a pair were asked.

    Args:
        right: Whether each observer is right, bool [images, observers]; of no meaning where it was not asked.
        asked: Whether each observer saw the image, bool [images, observers].
        pairs: Two columns each; they have an image in common.
        strata: Of `strata_of`.
        resampling: Draws, level and seed.

    Returns:
        Each [pairs]; kappa and its interval are NaN where both are always right or both always wrong.
    """
    first, second = np.array(pairs).T
    both = asked[:, first] & asked[:, second]  # [images, pairs]
    right_a, right_b = right[:, first], right[:, second]
    values = np.hstack([right_a == right_b, right_a, right_b]).astype(float)  # [images, 3 * pairs]
    weights = np.hstack([both] * 3).astype(float)
    kappa = error_consistency(*np.split((values * weights).sum(axis=0) / weights.sum(axis=0), 3))
    means = resampled_means(values, weights, strata, resampling)  # [draws, 3 * pairs]
    draws = error_consistency(*np.split(means, 3, axis=1))  # [draws, pairs]
    ends = tails(strata, resampling.level)
    known = ~np.isnan(kappa)
    low, high = np.full((2, len(pairs)), np.nan)
    if known.any():
        low[known], high[known] = np.nanquantile(draws[:, known], ends, axis=0)
    low, high = np.minimum(low, kappa), np.maximum(high, kappa)
    return Estimates(value=kappa, low=low, high=high, n=both.sum(axis=0))
