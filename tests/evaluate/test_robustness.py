"""Corruption errors and kept shares, worked out by hand and against resampling; cosines by their definition."""

from __future__ import annotations

import numpy as np
import pytest

from visavis.evaluate.invariance import cosines, mean_cosine_between
from visavis.evaluate.levels import kept_share
from visavis.evaluate.robustness import corruption_errors


def test_corruption_errors_by_hand():
    # two models, the first the reference: clean errors 0.2 and 0.1; fog 0.4 and 0.5, snow 0.8 and 0.4
    found = corruption_errors(np.array([0.2, 0.1]), np.array([[0.4, 0.5], [0.8, 0.4]]))
    np.testing.assert_allclose(found["error"], [[0.4, 0.5], [0.8, 0.4], [0.6, 0.45]])
    np.testing.assert_allclose(found["increase"], [[0.2, 0.4], [0.6, 0.3], [0.4, 0.35]])
    np.testing.assert_allclose(found["ce"], [[1, 1.25], [1, 0.5], [1, 0.875]])
    np.testing.assert_allclose(found["relative_ce"], [[1, 2], [1, 0.5], [1, 0.875]])


def test_a_reference_without_errors_leaves_no_share():
    found = corruption_errors(np.array([0.0, 0.1]), np.array([[0.0, 0.2]]))
    assert not np.isfinite(found["ce"]).any()
    np.testing.assert_allclose(found["error"][0], [0.0, 0.2])


def test_a_corruption_that_costs_the_reference_nothing_leaves_no_share_of_it():
    found = corruption_errors(np.array([0.5, 0.1]), np.array([[0.45, 0.3], [0.7, 0.3]]))
    assert np.isnan(found["relative_ce"][0]).all()
    np.testing.assert_allclose(found["relative_ce"][1:], [[1, 1], [1, 0.2 / 0.075]])


def test_resamples_are_leading_axes():
    generator = np.random.default_rng(0)
    clean, corrupted = generator.random((5, 3)), generator.random((5, 4, 3))
    whole = corruption_errors(clean, corrupted, reference=1)
    for draw in range(5):
        for name, values in corruption_errors(clean[draw], corrupted[draw], reference=1).items():
            np.testing.assert_allclose(whole[name][draw], values)


def test_the_kept_share_and_its_scatter():
    generator = np.random.default_rng(1)
    clean = (generator.random((4000, 1)) < 0.6).astype(float)
    changed = clean * (generator.random((4000, 1)) < 0.5)
    share, values = kept_share(clean, changed)
    assert share[0] == pytest.approx(changed.sum() / clean.sum())
    assert values.mean() == pytest.approx(share[0])
    picks = generator.integers(0, 4000, (2000, 4000))
    ratios = changed[picks, 0].sum(axis=1) / clean[picks, 0].sum(axis=1)
    assert values.std() / np.sqrt(4000) == pytest.approx(ratios.std(), rel=0.06)


def test_nothing_right_keeps_nothing():
    share, values = kept_share(np.zeros((5, 1)), np.ones((5, 1)))
    assert np.isinf(share).all()
    assert not np.isfinite(values).any()


def test_cosines():
    vectors = np.random.default_rng(2).normal(size=(7, 4)).astype(np.float32)
    other = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)
    expected = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(vectors, other, strict=True)]
    np.testing.assert_allclose(cosines(vectors, other), expected, atol=1e-6)
    np.testing.assert_allclose(cosines(vectors, 3 * vectors), 1, atol=1e-6)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    table = unit @ unit.T
    assert mean_cosine_between(vectors) == pytest.approx(table[~np.eye(7, dtype=bool)].mean(), abs=1e-6)
    assert np.isnan(mean_cosine_between(vectors[:1]))
