from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from visavis.inspection.explain.composition import CORNERS, compose, in_asked_corner, points_at

COLOURS = ("red", "green", "blue", "black", "navy")
DRAWINGS = [Image.new("RGB", (64, 64), colour) for colour in COLOURS]


def test_the_asked_thing_lies_in_its_corner_and_the_other_opposite() -> None:
    seen = set()
    for one in islice(compose(DRAWINGS, 64, seed=0), 40):
        seen.add(one.corner)
        row, column = one.corner
        asked = np.asarray(DRAWINGS[one.asked])[0, 0]
        other = np.asarray(DRAWINGS[one.other])[0, 0]
        assert one.asked != one.other
        corner, opposite = (63 * row, 63 * column), (63 - 63 * row, 63 - 63 * column)
        for picture in (one.both, one.asked_alone):
            assert (picture[corner] == asked).all()
        for picture in (one.both, one.other_alone):
            assert (picture[opposite] == other).all()
        assert (one.asked_alone[opposite] == 255).all()
        assert (one.other_alone[corner] == 255).all()
        assert (one.both[corner[0], opposite[1]] == 255).all()  # the two corners that hold nothing
        drawn = (one.asked_alone < 255).any(axis=-1)
        assert drawn.sum() == 40 * 40  # five eighths of the side
    assert seen == set(CORNERS)


def test_the_same_seed_composes_the_same() -> None:
    both = [[one.both for one in islice(compose(DRAWINGS, 32, seed), 5)] for seed in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(both[0], both[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(both[0], both[2], strict=True))


def test_share_in_the_right_corner_by_hand() -> None:
    values = np.array([[3.0, 0, 9, 9], [0, 0, 9, 9], [9, 9, 1, 0], [9, 9, -5, 0]])
    assert in_asked_corner(values, (0, 0)) == 0.75  # 3 of 3 + 1; what speaks against the target does not count
    assert in_asked_corner(values, (1, 1)) == 0.25
    assert in_asked_corner(values, (0, 1)) == 0.5
    assert in_asked_corner(-np.abs(values), (0, 0)) == 0.5


def test_pointing_by_hand() -> None:
    values = np.zeros((4, 4))
    assert not points_at(values, (0, 0))  # says nothing
    values[2, 1] = 1
    assert [points_at(values, corner) for corner in CORNERS] == [False, False, True, False]


@settings(max_examples=50)
@given(arrays(np.float64, (6, 6), elements=st.floats(-10, 10)), st.sampled_from(CORNERS))
def test_opposite_corners_share_all(values: np.ndarray, corner: tuple[int, int]) -> None:
    opposite = (1 - corner[0], 1 - corner[1])
    assert in_asked_corner(values, corner) + in_asked_corner(values, opposite) == pytest.approx(1)
    turned = values[::-1, ::-1]
    assert in_asked_corner(turned, opposite) == pytest.approx(in_asked_corner(values, corner))
