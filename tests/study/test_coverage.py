"""One cell of each simulated design: what docs/statistics.md says of n = 100 holds, within simulation error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

STUDIES = 200


@pytest.fixture(scope="module")
def coverage(benchmark):
    return benchmark("coverage")


@pytest.mark.parametrize(
    "design", ["paired classes", "grouped images", "crossing groups", "few-shot draws", "retrieval"]
)
def test_a_cell(coverage, design):
    # the error of a share near 95% of 200 studies is 1.5 points: 89 to 99.9 is four of them around 94 to 96
    found = coverage.judge(coverage.DESIGNS[design], 100, STUDIES, seed=1)
    assert 0.89 <= found.accuracy <= 0.999
    assert 0.89 <= found.difference <= 0.999
    assert found.finds_none_there <= 0.11
    assert found.calls_equivalent <= 0.11
    if "group" in design:  # what heeding them is worth
        assert found.by_images < 0.88
        assert found.mcnemar > 0.1


def test_four_groups_are_few_however_large(coverage):
    found = coverage.judge(coverage.DESIGNS["four sites"], 300, STUDIES, seed=1)
    assert min(found.accuracy, found.difference) >= 0.89  # resamples of the four held the truth in 87 and 91 of 100
    assert found.finds_none_there == 0.0


def test_bca_is_scipys(coverage):
    # of a skewed sample without strata; its bias is that of 4,000 resamples, whose quantiles err by a hundredth
    values = np.random.default_rng(5).exponential(size=(60, 1))
    resampling = coverage.Resampling(draws=4000)
    strata = np.zeros(60, int)
    means = coverage.resampled_means(values, np.ones_like(values), strata, resampling)
    low, high = coverage.bca(values, means, strata)
    oracle = bootstrap((values[:, 0],), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(0))
    assert (low[0], high[0]) == pytest.approx(tuple(oracle.confidence_interval), abs=0.03)
