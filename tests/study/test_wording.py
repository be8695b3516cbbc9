"""Numbers rounded to their uncertainty."""

from __future__ import annotations

import pytest

from visavis.study.wording import listed, p_in_words, percent, points, points_with_interval, round_up


@pytest.mark.parametrize(
    ("share", "text"),
    [
        ((0.6123, 0.574, 0.6492), "61.2% [57.4, 64.9]"),  # half-width 3.8 points: two digits are one decimal
        ((0.625, 0.46, 0.77), "62% [46, 77]"),  # 16 points: no decimal
        ((0.61234, 0.6091, 0.6155), "61.23% [60.91, 61.55]"),  # 0.3 points: two
        ((1.0, 0.912, 1.0), "100.0% [91.2, 100.0]"),
        ((0.0, 0.0, 0.0), "0.00% [0.00, 0.00]"),
    ],
)
def test_percent(share, text):
    assert percent(*share) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        ((0.051, 0.02, 0.083), "5.1 points [2.0, 8.3]"),
        ((-0.012, -0.034, 0.0101), "−1.2 points [−3.4, 1.0]"),
        ((0.125, 0.0004, 0.25), "12.50 points [0.04, 25.00]"),  # a bound that is not zero is not written so
        ((0.2, -0.0001, 0.4), "20.00 points [−0.01, 40.00]"),
        ((0.0, -0.2, 0.2), "0 points [−20, 20]"),
        ((-0.0001, -0.2, 0.2), "0 points [−20, 20]"),  # no minus before a zero
    ],
)
def test_points_with_interval(difference, text):
    assert points_with_interval(*difference) == text


def test_points():
    assert [points(share) for share in (0.034, 0.1, 0.1249)] == ["3.4 points", "10 points", "12 points"]


def test_round_up():
    assert [round_up(count) for count in (7, 99, 100, 101, 583, 590, 12_345)] == [7, 99, 100, 110, 590, 590, 13_000]


def test_p_in_words():
    found = [p_in_words(p) for p in (0.0000002, 0.0012, 0.0494, 0.5, 1.0)]
    assert found == ["p < 0.001", "p = 0.0012", "p = 0.049", "p = 0.5", "p = 1"]


def test_listed():
    assert [listed(["a", "b", "c"][:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
