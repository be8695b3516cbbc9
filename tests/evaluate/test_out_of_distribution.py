"""Images of another kind: areas by scikit-learn and SciPy, false alarms by counting, neighbours by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from visavis.evaluate.out_of_distribution import energy, neighbour_similarity, separation
from visavis.evaluate.scores import NotMeasurable

SCORES = st.lists(st.integers(0, 9), min_size=1, max_size=25)


@given(SCORES, SCORES)
def test_area_is_scikit_learns(own, others):
    found = separation(np.array(own, float), np.array(others, float))
    expected = roc_auc_score([1] * len(own) + [0] * len(others), own + others)
    assert found.auroc == pytest.approx(expected)
    assert found.own_above.mean() == pytest.approx(found.other_below.mean()) == pytest.approx(expected)


def test_false_alarms_by_counting():
    own, others = np.arange(100.0), np.array([2.0, 4.0, 5.0, 6.0, 200.0])
    assert separation(own, others).fpr95 == 3 / 5  # 95 of the own images score 5 or more; so do 5, 6 and 200


def test_nothing_is_lost_where_the_two_do_not_meet():
    found = separation(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert (found.auroc, found.fpr95) == (1.0, 0.0)


def test_energy_is_the_logarithm_of_the_sum():
    logits = np.random.default_rng(0).normal(size=(20, 7)) * 300
    np.testing.assert_allclose(energy(logits), logsumexp(logits, axis=1))


def test_neighbours_are_scikit_learns(monkeypatch):
    monkeypatch.setattr("visavis.evaluate.out_of_distribution.BLOCK", 16)
    random = np.random.default_rng(0)
    train, images = random.normal(size=(60, 8)), random.normal(size=(50, 8))
    distances, _ = NearestNeighbors(n_neighbors=10, metric="cosine").fit(train).kneighbors(images)
    np.testing.assert_allclose(neighbour_similarity(train, images), 1 - distances[:, 9])
    np.testing.assert_allclose(
        neighbour_similarity(train[:3], images, k=10), neighbour_similarity(train[:3], images, k=3)
    )


def test_vectors_that_are_no_numbers_are_not_compared():
    with pytest.raises(NotMeasurable, match="not finite"):
        neighbour_similarity(np.full((3, 2), np.nan), np.ones((2, 2)))
