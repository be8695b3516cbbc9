"""Logistic regression: scikit-learn's optimum in fewer steps, a derivative by differences, hostile shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from visavis.evaluate.logistic import as_problem, minimise


def drawn(images, features, classes, seed=0, signal=1.0):
    """Gaussian classes whose features shrink as those of embeddings do."""
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(1 + np.arange(features))
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, images - classes)])
    centres = signal * rng.normal(size=(classes, features))
    vectors = (centres[truth] + rng.normal(size=(images, features))) * scale
    return (vectors - vectors.mean(axis=0)).astype(np.float32), truth


def objective(vectors, truth, coefficients, intercepts, strength):
    """As scikit-learn documents it, divided by the images and by C, in float64."""
    logits = vectors.astype(np.float64) @ coefficients + intercepts
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(truth)), truth]
    return losses.mean() + 0.5 * (coefficients**2).sum() / (strength * len(truth))


@pytest.mark.parametrize("strength", [1e-4, 0.01, 1.0, 100.0])
@pytest.mark.parametrize(("images", "features", "classes"), [(300, 20, 2), (400, 64, 30), (60, 128, 5)])
def test_the_optimum_is_that_of_scikit_learn(images, features, classes, strength):
    vectors, truth = drawn(images, features, classes)
    problem = as_problem(vectors, truth, classes)
    weights = problem.fit(strength, tolerance=1e-4)
    oracle = LogisticRegression(C=strength, max_iter=20_000, tol=1e-9).fit(vectors.astype(np.float64), truth)
    centred = oracle.coef_.T - oracle.coef_.mean(axis=0)[:, None] if classes > 2 else oracle.coef_.T
    if classes == 2:  # one logit between two classes, whose penalty differs from two weights' of half its size each
        oracle = LogisticRegression(C=2 * strength, max_iter=20_000, tol=1e-9).fit(vectors.astype(np.float64), truth)
        centred = np.column_stack([-oracle.coef_[0], oracle.coef_[0]]) / 2
        intercepts = np.array([-oracle.intercept_[0], oracle.intercept_[0]]) / 2
    else:
        intercepts = oracle.intercept_
    least = objective(vectors, truth, centred, intercepts, strength)
    ours = objective(vectors, truth, problem.axes @ weights[:-1], weights[-1], strength)
    assert ours == pytest.approx(least, abs=1e-6)
    expected = oracle.predict_proba(vectors)
    logits = problem.logits(vectors, weights)
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert found / found.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-3)


def test_a_neighbours_optimum_as_the_start_changes_the_way_only():
    vectors, truth = drawn(400, 32, 10)
    problem = as_problem(vectors, truth, 10)
    cold, warm = problem.fit(1.0), problem.fit(1.0, start=problem.fit(0.3))
    values = [objective(vectors, truth, problem.axes @ one[:-1], one[-1], 1.0) for one in (cold, warm)]
    assert values[0] == pytest.approx(values[1], abs=3e-6)


@given(st.integers(2, 6), st.integers(1, 12), st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_any_data_give_finite_weights_no_worse_than_none(classes, features, seed, strength):
    vectors, truth = drawn(classes + seed % 20, features, classes, seed=seed, signal=seed % 3)
    problem = as_problem(vectors, truth, classes)
    weights = problem.fit(strength)
    assert np.isfinite(weights).all()
    found = objective(vectors, truth, problem.axes @ weights[:-1], weights[-1], strength)
    assert found <= np.log(classes) + 1e-5


def test_features_that_say_nothing_or_the_same_twice():
    vectors, truth = drawn(200, 8, 4)
    doubled = np.hstack([vectors, vectors, np.zeros((200, 3), np.float32)])
    once, twice = as_problem(vectors, truth, 4), as_problem(doubled, truth, 4)
    assert twice.axes.shape == (19, 8)
    same = once.logits(vectors, once.fit(2.0)), twice.logits(doubled, twice.fit(1.0))  # a pair of weights costs half
    assert same[0] == pytest.approx(same[1], abs=0.02)
    assert np.isfinite(as_problem(np.zeros_like(vectors), truth, 4).fit(1.0)).all()


def test_the_minimum_of_a_bent_valley():
    """A convex quartic, whose curvature vanishes at its least place."""

    def valley(place):
        return float((place**4).sum() / 4), place**3

    found = minimise(valley, np.array([3.0, -2.0, 0.5], np.float32), tolerance=1e-6)
    assert np.abs(found).max() < 0.011  # the gradient's length there: 1e-6


def test_a_gradient_that_leads_nowhere_ends_the_search():
    """As rounding does at the bottom: the value never falls, so the first place stands."""
    start = np.ones(3, np.float32)
    assert (minimise(lambda place: (float(((place - start) ** 2).sum()), start), start, tolerance=1e-6) == start).all()
