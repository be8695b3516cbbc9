"""Error consistency of pairs with intervals: by scikit-learn's kappa and by resampling it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from visavis.study.bootstrap import Resampling
from visavis.study.consistency import estimate_consistencies

RANDOM = np.random.default_rng(0)
EASE = RANDOM.normal(size=(300, 1))
RIGHT = EASE + RANDOM.normal(size=(300, 3)) > 0
STRATA = np.zeros(300, int)


def test_values_and_intervals_are_kappas():
    asked = np.ones_like(RIGHT)
    found = estimate_consistencies(RIGHT, asked, [(0, 1), (1, 2)], STRATA, Resampling(draws=800))
    picks = np.random.default_rng(1).integers(0, 300, (800, 300))
    for place, (a, b) in enumerate([(0, 1), (1, 2)]):
        assert found.value[place] == pytest.approx(cohen_kappa_score(RIGHT[:, a], RIGHT[:, b]))
        draws = [cohen_kappa_score(RIGHT[pick, a], RIGHT[pick, b]) for pick in picks[:300]]
        expected = np.quantile(draws, [0.025, 0.975])
        assert (found.low[place], found.high[place]) == pytest.approx(expected, abs=0.03)
        assert found.n[place] == 300


def test_images_that_one_was_not_asked_do_not_count():
    asked = np.ones_like(RIGHT)
    asked[:100, 1] = False
    found = estimate_consistencies(RIGHT, asked, [(0, 1)], STRATA, Resampling(draws=50))
    assert found.value[0] == pytest.approx(cohen_kappa_score(RIGHT[100:, 0], RIGHT[100:, 1]))
    assert found.n[0] == 200


def test_nothing_can_be_told_of_two_that_are_always_right():
    right = np.ones((30, 2), bool)
    found = estimate_consistencies(right, right, [(0, 1)], np.zeros(30, int), Resampling(draws=50))
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()
