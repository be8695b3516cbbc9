"""Ensembles: mixture weights against SciPy's optimum, records by class by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from visavis.evaluate.ensemble import by_best_record, mixture_weights, record_by_class


def test_weights_are_the_likeliest():
    own = np.random.default_rng(0).random((200, 2)) * [1.0, 0.8]
    best = minimize_scalar(lambda share: -np.log(own @ [share, 1 - share]).sum(), bounds=(0, 1), method="bounded")
    assert mixture_weights(own) == pytest.approx([best.x, 1 - best.x], abs=1e-3)


def test_a_model_that_never_helps_gets_no_weight():
    own = np.column_stack([np.full(50, 0.9), np.full(50, 0.1)])
    assert mixture_weights(own) == pytest.approx([1, 0], abs=1e-3)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=0, max_size=20))
def test_weights_are_weights(own):
    weights = mixture_weights(np.array(own).reshape(-1, 3))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def test_records_by_hand():
    # model 0 names class 0 four times, right thrice; model 1 names class 1 four times, right once
    predicted = np.array([[0, 1], [0, 1], [0, 1], [0, 1]])
    truth = np.array([0, 0, 0, 1])
    record = record_by_class(predicted, truth, 3)
    assert record[0] == pytest.approx([(3 + 5 * 0.75) / 9, 0.25])  # model 1 never named it: its accuracy alone
    assert record[1] == pytest.approx([0.75, (1 + 5 * 0.25) / 9])
    assert record[2] == pytest.approx([0.75, 0.25])


def test_the_better_record_on_the_named_class_decides():
    record = np.array([[0.9, 0.2], [0.1, 0.8]])
    assert by_best_record(np.array([[0, 1], [1, 1], [1, 0]]), record).tolist() == [0, 1, 0]
    assert by_best_record(np.array([[0, 1]]), np.full((2, 2), 0.5)).tolist() == [0]  # of equals the first
