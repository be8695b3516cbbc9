"""Sign flips counted one by one, McNemar's test as a special case, two one-sided tests against statsmodels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test
from statsmodels.stats.weightstats import DescrStatsW

from visavis.study.bootstrap import group_sums, strata_of
from visavis.study.paired_tests import equivalence, mcnemar, sign_flip


def enumerated(sums: list[int]) -> float:
    """Share of all flips whose total is as far from 0."""
    totals = np.array([np.dot(signs, sums) for signs in product((-1, 1), repeat=len(sums))])
    return float((np.abs(totals) >= abs(sum(sums))).mean())


class TestSignFlip:
    @given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
    @settings(max_examples=60, deadline=None)
    def test_every_flip_is_counted(self, sums):
        assert sign_flip(np.array(sums)[:, None])[0] == pytest.approx(enumerated(sums), abs=1e-12)

    def test_scipys_permutation_test_agrees(self):
        sums = np.array([3, -1, 2, 4, 1, 0, -2, 5, 1, 3])
        oracle = permutation_test((sums,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert sign_flip(sums[:, None])[0] == pytest.approx(oracle.pvalue)

    @given(st.integers(0, 60), st.integers(0, 60))
    @settings(max_examples=40, deadline=None)
    def test_lone_images_have_mcnemars(self, only_a, only_b):
        sums = np.concatenate([np.ones(only_a), -np.ones(only_b), np.zeros(5)])[:, None]
        assert sign_flip(sums)[0] == mcnemar(np.array([only_a]), np.array([only_b]))[0]

    def test_copies_add_nothing(self):
        # 8 images for a and 2 for b, each three times: as sure as 10 images, not as 30
        contrasts = np.repeat([1.0] * 8 + [-1.0] * 2, 3)[:, None]
        strata = strata_of(np.zeros(30, int), np.arange(30) // 3)
        assert sign_flip(group_sums(contrasts, strata))[0] == pytest.approx(mcnemar(np.array([8]), np.array([2]))[0])


class TestEquivalence:
    def p_value(self, only_a: int, only_b: int, n: int, margin: float = 0.02) -> float:
        contrasts = np.concatenate([np.ones(only_a), -np.ones(only_b), np.zeros(n - only_a - only_b)])[:, None]
        return float(equivalence(contrasts, np.zeros(n, int), margin)[0])

    @pytest.mark.parametrize(("only_a", "only_b", "n"), [(40, 35, 4000), (220, 200, 3000), (6, 6, 400)])
    def test_statsmodels_agrees_once_the_added_images_are_there(self, only_a, only_b, n):
        # its standard error divides by one less than the number of images: a difference below one in 400
        with_added = np.concatenate([np.ones(only_a + 1), -np.ones(only_b + 1), np.zeros(n - only_a - only_b)])
        oracle = DescrStatsW(with_added).ztost_mean(-0.02, 0.02)[0]
        assert self.p_value(only_a, only_b, n) == pytest.approx(oracle, rel=0.02)

    def test_by_hand(self):
        # none of 98 images tells them apart: error sqrt(2 / 100 / 100) = 0.01414, and 0.02 is 1.414 of it: p = 0.0786
        assert self.p_value(0, 0, 98) == pytest.approx(0.0786, abs=1e-4)
        assert self.p_value(0, 0, 148) < 0.05  # 2.12 errors

    def test_a_difference_of_the_margin_is_not_shown_to_be_less(self):
        assert self.p_value(80, 0, 4000) == pytest.approx(0.5, abs=0.02)
        assert self.p_value(0, 80, 4000) == pytest.approx(0.5, abs=0.02)
        assert self.p_value(300, 0, 4000) > 0.999

    def test_images_that_were_not_asked_play_no_part(self):
        asked = np.concatenate([np.ones(9), -np.ones(9), np.zeros(782)])
        both = np.concatenate([asked, np.full(500, np.nan)])[:, None]
        p_values = equivalence(both, np.zeros(1300, int), 0.02), equivalence(asked[:, None], np.zeros(800, int), 0.02)
        assert p_values[0] == pytest.approx(p_values[1])

    def test_copies_in_groups_are_less_sure(self):
        contrasts = np.repeat(np.concatenate([np.ones(6), -np.ones(6), np.zeros(488)]), 4)[:, None]
        alone = equivalence(contrasts, np.zeros(2000, int), 0.02)[0]
        grouped = equivalence(contrasts, strata_of(np.zeros(2000, int), np.arange(2000) // 4), 0.02)[0]
        once = equivalence(contrasts[::4], np.zeros(500, int), 0.02)[0]
        assert alone < once
        assert grouped == pytest.approx(once, rel=0.1)  # Student's law with 499 degrees of freedom
