"""Two halves of the test images: even, by class, whole groups, repeatable."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visavis.study.halves import second_half


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 3))
def test_classes_are_divided_evenly(classes, seed):
    classes = np.array(classes)
    second = second_half(classes, [""] * len(classes), seed)
    assert abs(2 * second.sum() - len(classes)) <= 1
    for name in set(classes):
        assert abs(2 * second[classes == name].sum() - (classes == name).sum()) <= 1
    assert (second == second_half(classes, [""] * len(classes), seed)).all()


def test_groups_stay_together():
    groups = [f"frames of {number // 4}" for number in range(80)]
    second = second_half(np.repeat([0, 1], 40), groups, 0)
    assert all(len(set(second[number : number + 4])) == 1 for number in range(0, 80, 4))
    assert second[:40].sum() == second[40:].sum() == 20


def test_another_seed_divides_otherwise():
    classes = np.zeros(50, int)
    assert (second_half(classes, [""] * 50, 0) != second_half(classes, [""] * 50, 1)).any()
