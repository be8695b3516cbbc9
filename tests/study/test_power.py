"""Numbers of images: published anchors, the test's power by simulation, and the two functions as inverses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from visavis.errors import UsageError
from visavis.study.paired_tests import mcnemar
from visavis.study.power import detectable_difference, needed_images


@pytest.mark.parametrize(("difference", "n"), [(0.125, 100), (0.04, 1000), (0.018, 5000)])
def test_with_a_fifth_of_images_discordant(difference, n):
    assert needed_images(0.2, difference) == pytest.approx(n, rel=0.04)
    assert detectable_difference(n, 0.2) == pytest.approx(difference, rel=0.02)


def test_by_hand():
    # (1.95996 sqrt(0.2) + 0.84162 sqrt(0.2 - 0.015625))^2 / 0.015625 = (0.87652 + 0.36138)^2 / 0.015625 = 98.07
    assert needed_images(0.2, 0.125) == 99
    assert needed_images(0.2, -0.125) == 99
    # the normal formula says (1.95996 + 0)^2 = 4 images, but an exact test of 4 has p = 2 / 2^4; 6 are needed
    assert needed_images(1.0, 1.0) == 6


def test_the_exact_test_has_that_power():
    # 4,000 studies of 99 images: the exact test is a little less powerful than the normal formula's 0.8
    draws = np.random.default_rng(0).multinomial(99, [0.1625, 0.0375, 0.8], size=4000)
    found = (mcnemar(draws[:, 0], draws[:, 1]) < 0.05).mean()
    assert 0.72 < found < 0.82


def test_no_difference_is_never_found():
    assert needed_images(0.2, 0.0) is None
    assert needed_images(0.0, 0.0) is None
    assert detectable_difference(100, 0.0) is None
    assert detectable_difference(5, 0.2) is None  # one discordant image is expected


@given(rate=st.floats(0.02, 1.0), n=st.integers(50, 100_000))
def test_the_two_are_inverse(rate, n):
    difference = detectable_difference(n, rate)
    assume(difference is not None and 6 / rate < n)  # else the exact test's six disagreements decide
    assert needed_images(rate, difference) in (n, n + 1)


@given(rate=st.floats(0.05, 1.0), share=st.floats(0.05, 0.9))
def test_a_stricter_test_a_smaller_difference_or_more_power_needs_more(rate, share):
    needed = needed_images(rate, rate * share)
    assert needed_images(rate, rate * share, alpha=0.01) >= needed
    assert needed_images(rate, rate * share, power=0.9) >= needed
    assert needed_images(rate, rate * share / 2) >= needed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0.1, 0.2), "discordant"),
        ((20, 0.1), "discordant_rate"),
        ((0.2, 0.1, 1.0), "power"),
        ((0.2, 0.1, 0.8, 0), "alpha"),
    ],
)
def test_impossible_arguments(arguments, named):
    with pytest.raises(UsageError, match=named):
        needed_images(*arguments)


def test_no_images():
    with pytest.raises(UsageError, match="at least 1"):
        detectable_difference(0, 0.2)
