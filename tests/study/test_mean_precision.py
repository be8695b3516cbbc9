"""Intervals and tests of mAP: what they hold by simulation, by hand, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from visavis.evaluate.multi_label import average_precisions, precisions_at_each
from visavis.study.bootstrap import Resampling
from visavis.study.mean_precision import difference, interval, order_of, resampled


@pytest.fixture(scope="module")
def coverage(benchmark):
    return benchmark("coverage_map")


@pytest.mark.parametrize("grouped", [False, True])
def test_a_cell(coverage, grouped):
    # the error of a share near 95% of 60 studies is 2.8 points: 86 is more than three below
    found = coverage.judge((2.0, 2.0), 100, 60, grouped=grouped)
    assert found.value >= 0.86
    assert found.difference >= 0.86
    assert found.finds <= 0.12
    assert coverage.judge((2.0, 1.0), 100, 20, grouped=grouped).finds >= 0.8


def test_near_perfection_the_interval_is_not_empty(coverage):
    assert coverage.judge((5.5, 5.5), 60, 50).value >= 0.9  # resamples alone held the truth in 9 of 100


def test_where_all_is_right_the_formula_for_shares_counts_images():
    right = np.repeat(np.eye(2, dtype=bool), 20, axis=0)
    images = resampled(right, None, Resampling(draws=50))
    perfect = order_of(right.astype(float), images)
    value, low, high = interval(perfect, images)
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(beta.ppf(0.025, 40, 1))
    gap, least, most, p_value = difference(perfect, perfect, images)
    assert (gap, p_value) == (0.0, 1.0)
    assert -least == pytest.approx(most)
    assert 0 < most < 0.1
    grouped = resampled(right, np.repeat(np.arange(8), 5), Resampling(draws=50))
    assert interval(order_of(right.astype(float), grouped), grouped)[1] < 0.7  # eight groups tell less than 40 images


@pytest.mark.parametrize("misplaced", [3, 12])  # by the formula, and by resamples
def test_groups_are_tested_by_students_law(misplaced):
    """The same difference in fewer groups is less sure, beside what the groups' own scatter says."""
    right = np.repeat(np.eye(2, dtype=bool), 30, axis=0)
    other = right.astype(float)
    other[:misplaced, 0] = -np.arange(misplaced)
    found = {}
    for size in (1, 5):
        images = resampled(right, np.arange(60) // size, Resampling(draws=999))
        found[size] = difference(order_of(right.astype(float), images), order_of(other, images), images)[3]
        alone = resampled(right, None, Resampling(draws=999))
        if size == 1:  # sixty groups of one: nearly the normal law, and never surer
            plain = difference(order_of(right.astype(float), alone), order_of(other, alone), alone)[3]
            assert plain <= found[size] <= plain + 0.03
    assert found[5] > found[1]


@given(st.integers(0, 2**31), st.booleans())
@settings(max_examples=25, deadline=None)
def test_of_two_models_each_is_as_far_from_the_other(seed, grouped):
    generator = np.random.default_rng(seed)
    right = generator.random((40, 3)) < 0.4
    right[:3] |= np.eye(3, dtype=bool)
    images = resampled(right, np.arange(40) // 2 if grouped else None, Resampling(draws=99))
    one, other = (order_of(right + generator.normal(size=right.shape), images) for _ in range(2))
    gap, low, high, p_value = difference(one, other, images)
    back = difference(other, one, images)
    assert back == pytest.approx((-gap, -high, -low, p_value))
    assert low <= gap <= high
    assert 0 < p_value <= 1
    for order in (one, other):
        value, least, most = interval(order, images)
        assert 0 <= least <= value <= most <= 1


@given(st.integers(0, 2**31), st.booleans())
def test_places_average_to_the_average_precision(seed, with_ties):
    generator = np.random.default_rng(seed)
    scores, right = generator.normal(size=(30, 3)), generator.random((30, 3)) < 0.4
    scores = scores.round() if with_ties else scores
    right[:3] |= np.eye(3, dtype=bool)
    places = precisions_at_each(scores, right)
    assert np.isnan(places[~right]).all()
    assert np.nanmean(places, axis=0) == pytest.approx(average_precisions(scores, right, np.ones((1, 30)))[0])
