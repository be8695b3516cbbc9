"""Intervals of areas under curves, whose scatter near 0 and 1 is too skewed for percentiles of resamples.

Source: the normal interval on the scale of the log odds, Pepe 2003, The Statistical Evaluation of Medical Tests for
Classification and Prediction, chapter 5.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, ndtri

from visavis.study.bootstrap import Resampling, clopper_pearson


def area_intervals(area: np.ndarray, draws: np.ndarray, n: int, resampling: Resampling) -> np.ndarray:
    """Intervals from the scatter of resampled areas, normal on the scale of the log odds.

    Simulated with 100 images these hold the truth in 93 to 96% of cases, percentiles in 89 to 93%. An area of exactly 0
    or 1 shows no scatter: there the interval of none of `n`, or all of them, stands.

    Args:
        area: 0 to 1, [areas].
        draws: The same in each resample, [draws, areas].
        n: Images; of two kinds, those of the rarer kind.
        resampling: For its level.

    Returns:
        Lower and upper ends, [2, areas].
    """
    error = draws.std(axis=0) * np.sqrt(n / max(n - 1, 1))  # resamples vary a little less than samples
    inside = np.clip(area, 1e-9, 1 - 1e-9)
    half = ndtri((1 + resampling.level) / 2) * error / (inside * (1 - inside))
    bounds = expit(logit(inside) + np.stack([-half, half]))
    exact = np.stack(clopper_pearson(np.round(area * n), np.full(len(area), n), resampling.level))
    return np.where((area > 0) & (area < 1), bounds, exact)
