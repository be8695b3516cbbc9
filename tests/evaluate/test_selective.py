"""Risk and coverage: by hand, against the definition, and its scatter against resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.evaluate.selective import kept, least_area, risk_coverage_area


def test_kept_by_hand():
    confidence = np.array([0.9, 0.5, 0.7, 0.7, 0.1])
    assert kept(confidence, 1.0).tolist() == [1] * 5
    assert kept(confidence, 0.6).tolist() == [1, 0, 1, 1, 0]
    assert kept(confidence, 0.4).tolist() == [1, 0, 0.5, 0.5, 0]  # one of two equals
    assert kept(confidence, 0.01).sum() == 1


def test_area_by_hand():
    # right, right, wrong, wrong: risks 0, 0, 1/3, 2/4
    area, influence = risk_coverage_area(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.0, 0, 1, 1]))
    assert area == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert area == pytest.approx(least_area(2, 4))
    assert influence.mean() == pytest.approx(area)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_equals_count_as_in_the_mean_over_their_orders(images):
    confidence, wrong = np.array([c for c, _ in images], float), np.array([w for _, w in images], float)
    area, influence = risk_coverage_area(confidence, wrong)
    assert influence.mean() == pytest.approx(area)
    assert least_area(int(wrong.sum()), len(wrong)) <= area + 1e-12
    risks = [(kept(confidence, k / len(wrong)) * wrong).sum() / k for k in range(1, len(wrong) + 1)]
    assert area == pytest.approx(np.mean(risks))


def test_the_scatter_is_that_of_resampling():
    random = np.random.default_rng(0)
    confidence = random.random(400)
    wrong = (random.random(400) > confidence).astype(float)
    _, influence = risk_coverage_area(confidence, wrong)
    picks = random.integers(0, 400, (2000, 400))
    again = [risk_coverage_area(confidence[pick], wrong[pick])[0] for pick in picks]
    assert influence.std() / 20 == pytest.approx(np.std(again), rel=0.05)
