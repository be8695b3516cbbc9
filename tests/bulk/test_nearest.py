from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.bulk.nearest import nearest


@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(1, 60),
    top=st.integers(1, 70),
    block=st.integers(1, 64),
    kinds=st.integers(1, 60),
)
@settings(max_examples=300, deadline=None)  # threads start slowly on a busy machine
def test_it_is_a_stable_sort_of_all(seed, rows, top, block, kinds):
    """Many equal rows, any block size: the same as to sort everything, with the first of equals first."""
    random = np.random.default_rng(seed)
    distinct = random.integers(-3, 4, (kinds, 4)).astype(np.float32)  # small whole numbers: no rounding
    vectors = distinct[random.integers(0, kinds, rows)]
    query = random.integers(-3, 4, 4).astype(np.float32)
    numbers, scores = nearest([vectors[start : start + block] for start in range(0, rows, block)], query, top)
    expected = np.argsort(-(vectors @ query), kind="stable")[:top]
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_array_equal(scores, (vectors @ query)[expected])


def test_scores_are_float32_and_rows_of_zeros_are_no_trouble():
    vectors = np.zeros((5, 2), np.float32)
    vectors[3] = (0.6, 0.8)
    numbers, scores = nearest([vectors[:2], vectors[2:]], np.array([0.0, 1.0], np.float32), 2)
    assert numbers.tolist() == [3, 0]
    assert scores.dtype == np.float32
    assert scores[0] == pytest.approx(0.8)


def test_no_rows():
    numbers, scores = nearest([], np.ones(2, np.float32), 3)
    assert len(numbers) == len(scores) == 0
