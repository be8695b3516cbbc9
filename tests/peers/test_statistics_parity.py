"""The statistics of a comparison and those of evalstats, which compares language models: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from evalstats.core.ranking import bootstrap_ranks
from evalstats.core.resampling import bootstrap_ci_1d
from evalstats.tests import _mcnemar_p

from visavis.evaluate.ranking import rank_shares
from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts, resampled_means
from visavis.study.paired_tests import mcnemar

DRAWS = 10_000
NO_STRATA = np.zeros(400, int)


@pytest.fixture(scope="module")
def right() -> np.ndarray:
    """Three models on 400 images, [images, models]: the second is close to the first, the third behind."""
    chance = np.random.default_rng(2).random((400, 3))
    chance[:, 1] = np.where(chance[:, 2] < 0.7, chance[:, 0], chance[:, 1])
    return (chance < (0.72, 0.70, 0.6)).astype(float)


def test_mcnemar(right):
    for a, b in ((0, 1), (0, 2), (1, 2)):
        only_a, only_b = (right[:, a] > right[:, b]).sum(), (right[:, b] > right[:, a]).sum()
        own = mcnemar(np.array([only_a]), np.array([only_b]))[0]
        assert own == pytest.approx(_mcnemar_p(right[:, a], right[:, b]), rel=1e-9)


def test_intervals(right):
    # quantiles of 10,000 resamples err by a sixtieth of the interval's half-width, here less than a tenth of a point
    resampling, contrast = Resampling(draws=DRAWS), right[:, [0]] - right[:, [2]]
    chance = np.random.default_rng(0)
    accuracy = estimate_accuracies(right, np.ones_like(right), NO_STRATA, resampling)
    difference = estimate_contrasts(contrast, NO_STRATA, np.ones(1), resampling)
    for found, column, values in ((accuracy, 0, right[:, 0]), (difference, 0, contrast[:, 0])):
        oracle = bootstrap_ci_1d(values, values.mean(), "bootstrap", DRAWS, 0.05, chance)
        assert (found.low[column], found.high[column]) == pytest.approx(oracle, abs=0.004)


def test_ranks(right):
    # a share of 10,000 resamples errs by half a point; both let models that are level share their ranks
    shares = rank_shares(resampled_means(right, np.ones_like(right), NO_STRATA, Resampling(draws=DRAWS)))
    oracle = bootstrap_ranks(right.T, ["A", "B", "C"], DRAWS, np.random.default_rng(0), method="bootstrap")
    np.testing.assert_allclose(shares, oracle.rank_probs, atol=0.02)
