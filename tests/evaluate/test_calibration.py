"""Calibration: errors by hand and by simulation of known truth, scores and temperatures by scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from visavis.evaluate.calibration import (
    HOTTEST,
    equal_mass_bins,
    error_if_calibrated,
    expected_calibration_error,
    fit_on_other_half,
    fit_temperature,
    image_scores,
    logarithms,
    scaled,
    squared_error_debiased,
)
from visavis.evaluate.scores import softmax


def draw_logits(n: int, classes: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax at `1 / sharpness` is the truth's own law: the temperature to find is `sharpness`."""
    random = np.random.default_rng(seed)
    honest = random.normal(size=(n, classes)).astype(np.float32) * 2
    law = softmax(honest)
    truth = (law.cumsum(axis=1) < random.random((n, 1))).sum(axis=1).clip(max=classes - 1)
    return honest * np.float32(sharpness), truth


def test_two_bins_by_hand():
    # ten images at 0.6 of which 5 are right, ten at 0.9 of which 9 are: |0.6 - 0.5| / 2 + |0.9 - 0.9| / 2
    confidence = np.repeat([0.6, 0.9], 10)
    right = np.concatenate([np.tile([1, 0], 5), [0], np.ones(9)])
    bins = equal_mass_bins(confidence)
    assert bins.tolist() == [0] * 10 + [1] * 10
    assert expected_calibration_error(confidence - right, bins) == pytest.approx(0.05)
    # squares less the variance of each mean: 0.01 - 0.25 / 9 and 0 - 0.09 / 9
    assert squared_error_debiased(confidence - right, bins) == pytest.approx((0.01 - 0.25 / 9 - 0.01) / 2)


def test_bins_hold_equal_numbers_and_equal_confidences_share_one():
    confidence = np.random.default_rng(0).random(1500)
    assert np.bincount(equal_mass_bins(confidence)).tolist() == [100] * 15
    tied = np.round(confidence, 1)
    bins = equal_mass_bins(tied)
    assert all(len(set(bins[tied == value])) == 1 for value in set(tied))
    assert equal_mass_bins(np.full(400, 0.5)).tolist() == [0] * 400
    assert equal_mass_bins(confidence[:35]).max() == 2  # at least ten images each


@given(st.permutations(list(range(40))))
def test_the_order_of_the_images_changes_nothing(order):
    random = np.random.default_rng(1)
    confidence, right = random.integers(1, 9, 40) / 9, random.integers(0, 2, 40)
    bins = equal_mass_bins(confidence)
    assert equal_mass_bins(confidence[order]).tolist() == bins[order].tolist()
    error = expected_calibration_error((confidence - right)[order], bins[order])
    assert error == pytest.approx(expected_calibration_error(confidence - right, bins))


def test_the_debiased_error_is_unbiased_and_ece_is_not():
    random = np.random.default_rng(0)
    plain, debiased, expected = [], [], []
    for _ in range(600):  # 0.1 too sure at any confidence
        confidence = random.uniform(0.3, 1.0, 300)
        gap = confidence - (random.random(300) < confidence - 0.1)
        bins = equal_mass_bins(confidence)
        debiased.append(squared_error_debiased(gap, bins))
        plain.append(expected_calibration_error(confidence - (random.random(300) < confidence), bins))
        expected.append(error_if_calibrated(confidence, bins))
    assert np.mean(debiased) == pytest.approx(0.01, abs=3 * np.std(debiased) / np.sqrt(600))
    assert np.mean(plain) == pytest.approx(np.mean(expected), rel=0.02)  # all of it scatter


def test_brier_and_log_loss_are_scikit_learns():
    logits, truth = draw_logits(200, 7, 1.5)
    probabilities = softmax(logits)
    scores = image_scores(probabilities, truth)
    labels = list(range(7))
    assert scores.nll.mean() == pytest.approx(log_loss(truth, probabilities, labels=labels), rel=1e-5)
    brier = brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False)
    assert scores.brier.mean() == pytest.approx(brier, rel=1e-5)
    assert (scores.right == (probabilities.argmax(axis=1) == truth)).all()
    assert scores.gap.mean() == pytest.approx(probabilities.max(axis=1).mean() - scores.right.mean(), abs=1e-6)


def test_a_class_without_any_probability_costs_a_finite_amount():
    scores = image_scores(np.array([[1.0, 0.0]], np.float32), np.array([1]))
    assert scores.nll[0] == pytest.approx(12 * np.log(10), rel=1e-5)
    assert np.isfinite(logarithms(np.array([[1.0, 0.0]], np.float32))).all()


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_the_temperature_is_the_likeliest(sharpness):
    logits, truth = draw_logits(800, 12, sharpness)
    found = fit_temperature(logits, truth)
    best = minimize_scalar(
        lambda log_t: image_scores(softmax(logits / np.float32(np.exp(log_t))), truth).nll.mean(),
        bounds=(-4, 4), method="bounded", options={"xatol": 1e-5},
    )  # fmt: skip
    assert found == pytest.approx(np.exp(best.x), rel=2e-3)
    assert found == pytest.approx(sharpness, rel=0.1)


def test_logarithms_of_probabilities_do_as_well_as_logits():
    logits, truth = draw_logits(300, 9, 2.0)
    assert fit_temperature(logarithms(softmax(logits)), truth) == pytest.approx(
        fit_temperature(logits, truth), rel=1e-3
    )


def test_a_model_that_is_always_right_or_always_wrong_has_a_finite_temperature():
    logits, _ = draw_logits(50, 5, 1.0)
    assert 0.01 <= fit_temperature(logits, logits.argmax(axis=1)) < 0.02
    assert fit_temperature(logits, logits.argmin(axis=1)) == pytest.approx(HOTTEST, rel=0.01)


def test_each_half_is_scaled_by_what_the_other_says():
    sure, truth_a = draw_logits(300, 6, 3.0)
    honest, truth_b = draw_logits(300, 6, 1.0, seed=1)
    logits, truth = np.vstack([sure, honest]), np.concatenate([truth_a, truth_b])
    second = np.arange(600) >= 300
    fitted = fit_on_other_half(logits, truth, second)
    assert fitted == (fit_temperature(honest, truth_b), fit_temperature(sure, truth_a))
    probabilities = scaled(logits, fitted, second)
    np.testing.assert_allclose(probabilities[:300], softmax(sure / np.float32(fitted[0])), rtol=1e-5)
    np.testing.assert_allclose(probabilities[300:], softmax(honest / np.float32(fitted[1])), rtol=1e-5)
    # what is fitted never sees what it is judged on: other labels in a half do not move its own temperature
    assert fit_on_other_half(logits, np.where(second, truth, 0), second)[0] == fitted[0]
