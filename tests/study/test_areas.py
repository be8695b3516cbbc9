"""Intervals of areas: how often they hold the truth, and what stands where nothing scatters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from visavis.evaluate.out_of_distribution import separation
from visavis.evaluate.selective import risk_coverage_area
from visavis.study.areas import area_intervals
from visavis.study.bootstrap import Resampling

RANDOM = np.random.default_rng(0)


def scatter(influence: np.ndarray) -> np.ndarray:
    """Draws with the standard error that resampled means of these values have."""
    return RANDOM.normal(influence.mean(), influence.std() / np.sqrt(len(influence)), (400, 1))


def test_areas_under_risk_and_coverage_are_held_as_often_as_promised():
    def drawn(n: int) -> tuple[float, np.ndarray]:
        sure = RANDOM.random(n)
        return risk_coverage_area(sure, (RANDOM.random(n) > 0.5 + 0.45 * sure).astype(float))

    truth = drawn(400_000)[0]
    held = []
    for _ in range(800):
        area, influence = drawn(100)
        low, high = area_intervals(np.array([area]), scatter(influence), 100, Resampling())
        held.append(low[0] <= truth <= high[0])
    assert 0.93 <= np.mean(held) <= 0.97


def test_areas_of_two_kinds_are_held_as_often_as_promised():
    truth = norm.cdf(2.5 / np.sqrt(2))
    held = []
    for _ in range(800):
        found = separation(RANDOM.normal(2.5, 1, 100), RANDOM.normal(0, 1, 100))
        draws = scatter(found.own_above) + scatter(found.other_below) - found.auroc
        low, high = area_intervals(np.array([found.auroc]), draws, 100, Resampling())
        held.append(low[0] <= truth <= high[0])
    assert 0.93 <= np.mean(held) <= 0.97


def test_an_area_without_scatter_keeps_an_interval():
    assert roc_auc_score([1, 1, 0, 0], [3, 2, 1, 0]) == separation(np.array([3.0, 2]), np.array([1.0, 0])).auroc == 1
    low, high = area_intervals(np.array([0.0, 1.0]), np.tile([0.0, 1.0], (10, 1)), 20, Resampling())
    # none of 20 and all of 20: 1 - 0.025 ** (1 / 20)
    assert (low[0], high[0]) == pytest.approx((0, 1 - 0.025**0.05))
    assert (low[1], high[1]) == pytest.approx((0.025**0.05, 1))
