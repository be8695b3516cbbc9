"""Resampling worked out by hand, exact intervals against SciPy and statsmodels, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from visavis.errors import UsageError
from visavis.study import bootstrap
from visavis.study.bootstrap import (
    Resampling,
    clopper_pearson,
    design_effects,
    estimate_accuracies,
    estimate_contrasts,
    group_sums,
    resampled_means,
    strata_of,
)


def classes_of(*sizes: int) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


def column(n_right: int, n: int) -> np.ndarray:
    return (np.arange(n) < n_right).astype(float)[:, None]  # [images, 1]


def accuracy(right: np.ndarray, classes: np.ndarray | None = None, **settings: float) -> tuple[float, float, float]:
    strata = strata_of(classes_of(len(right)) if classes is None else classes)
    found = estimate_accuracies(right, np.ones_like(right), strata, Resampling(**settings))
    return found.value[0], found.low[0], found.high[0]


class TestStrata:
    @pytest.mark.parametrize(
        ("sizes", "strata"),
        [
            ((20, 20), [0, 1]),  # large enough
            ((25, 15, 10), [0, 3, 3]),  # 15 + 10 images make a stratum
            ((25, 3, 30, 1), [4, 4, 2, 4]),  # 3 + 1 do not, so the next larger class joins
            ((19,), [1]),
            ((1,) * 700, [700] * 700),  # one image a class
        ],
    )
    def test_small_classes_are_one_stratum(self, sizes, strata):
        assert strata_of(classes_of(*sizes)).tolist() == np.repeat(strata, sizes).tolist()


class TestResamples:
    strata = np.array([0, 1, 0, 1, 1, 1])

    def test_each_stratum_keeps_its_size(self):
        inside = (self.strata == 0).astype(float)[:, None]
        means = resampled_means(inside, np.ones((6, 1)), self.strata, Resampling(draws=50))
        assert means.tolist() == [[2 / 6]] * 50

    def test_spread_is_that_of_a_stratified_sample(self):
        # 100 of 200 images with 50 right, 100 with 90 right: variance 0.5^2 (0.25 + 0.09) / 100 = 0.00085
        right = np.concatenate([column(50, 100), column(90, 100)])
        means = resampled_means(right, np.ones_like(right), classes_of(100, 100), Resampling(draws=20_000))
        assert means.var() == pytest.approx(0.00085, rel=0.03)  # the sample variance's own error is 1%
        assert means.mean() == pytest.approx(0.7, abs=0.001)

    def test_all_columns_share_the_resamples(self):
        right = np.random.default_rng(0).integers(0, 2, (60, 2)).astype(float)
        columns = np.column_stack([right, right[:, 0] - right[:, 1]])
        means = resampled_means(columns, np.ones_like(columns), np.zeros(60, int), Resampling(draws=100))
        np.testing.assert_allclose(means[:, 2], means[:, 0] - means[:, 1], atol=1e-12)

    def test_memory_limit_changes_nothing(self, monkeypatch):
        right = column(33, 60)
        whole = resampled_means(right, np.ones_like(right), classes_of(30, 30), Resampling(draws=100))
        monkeypatch.setattr(bootstrap, "CHUNK", 7 * 60)
        parts = resampled_means(right, np.ones_like(right), classes_of(30, 30), Resampling(draws=100))
        assert (whole == parts).all()

    def test_images_that_were_not_asked_do_not_count(self):
        values, asked = np.array([[1.0], [7.0]]), np.array([[1.0], [0.0]])
        means = resampled_means(values, asked, np.zeros(2, int), Resampling(draws=200))
        assert set(means[~np.isnan(means)]) == {1.0}
        assert (
            20 < np.isnan(means).sum() < 80
        )  # a quarter of the resamples miss the one image: 50 of 200, give or take 5 s.d.

    @pytest.mark.parametrize(("wrong", "named"), [({"draws": 0}, "draws"), ({"level": 95}, "level")])
    def test_settings_out_of_range(self, wrong, named):
        with pytest.raises(UsageError, match=named):
            Resampling(**wrong)


class TestAccuracyIntervals:
    @pytest.mark.parametrize(("right", "n"), [(0, 7), (3, 7), (7, 7), (80, 100), (1, 1), (687, 688)])
    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_clopper_pearson_is_scipys(self, right, n, level):
        exact = stats.binomtest(right, n).proportion_ci(level, method="exact")
        low, high = clopper_pearson(np.array([right]), np.array([n]), level)
        assert (low[0], high[0]) == pytest.approx((exact.low, exact.high), abs=1e-9)

    def test_a_hundred_images_at_80_percent(self):
        # Wilson's interval for 80 of 100 is 71.1 to 86.7%: the bootstrap comes within a point and a half
        wilson = proportion_confint(80, 100, method="wilson")
        assert wilson == pytest.approx((0.711, 0.867), abs=5e-4)
        assert accuracy(column(80, 100))[1:] == pytest.approx(wilson, abs=0.015)

    def test_all_right_is_not_certain(self):
        # Clopper and Pearson: 0.025 ** (1 / 40) = 0.9119
        assert accuracy(column(40, 40)) == (1.0, pytest.approx(0.9119, abs=1e-4), 1.0)
        assert accuracy(column(0, 40)) == (0.0, 0.0, pytest.approx(0.0881, abs=1e-4))

    def test_five_wrong_are_few_and_six_are_not(self):
        exact = stats.binomtest(95, 100).proportion_ci(method="exact")
        assert accuracy(column(95, 100))[1:] == pytest.approx((exact.low, exact.high))
        assert accuracy(column(94, 100))[1] > stats.binomtest(94, 100).proportion_ci(method="exact").low

    def test_a_model_that_always_says_the_same_is_not_certain_either(self):
        # all 50 cats right, all 50 dogs wrong: every stratified resample says 50%; 50 of 100 by formula: 39.8 to 60.2%
        assert accuracy(column(50, 100), classes_of(50, 50)) == pytest.approx((0.5, 0.398, 0.602), abs=5e-4)

    def test_a_higher_level_is_wider(self):
        _, low, high = accuracy(column(120, 200), level=0.9)
        _, lower, higher = accuracy(column(120, 200), level=0.99)
        assert lower < low < 0.6 < high < higher

    @pytest.mark.parametrize("sizes", [(25, 25), (100, 100), (30, 170), (1,) * 50, (1,) * 200])
    @pytest.mark.parametrize("rates", [(0.6, 0.6), (0.9, 0.7), (0.5, 0.8)])
    def test_coverage(self, sizes, rates):
        # 1,000 studies as columns; 95% of them should hold the truth, and 0.95 +- 0.007 is chance
        chance = np.repeat(np.resize(rates, len(sizes)), sizes)
        right = (np.random.default_rng(7).random((len(chance), 1000)) < chance[:, None]).astype(float)
        strata = strata_of(classes_of(*sizes))
        found = estimate_accuracies(right, np.ones_like(right), strata, Resampling(draws=600))
        covered = ((found.low <= chance.mean()) & (chance.mean() <= found.high)).mean()
        assert 0.92 <= covered <= 0.98


class TestContrastIntervals:
    def contrast(self, only_a: int, only_b: int, n: int, largest: float = 1.0) -> tuple[float, float, float]:
        differences = np.concatenate([np.ones(only_a), -np.ones(only_b), np.zeros(n - only_a - only_b)])[:, None]
        found = estimate_contrasts(differences, np.zeros(n, int), np.array([largest]), Resampling())
        return found.value[0], found.low[0], found.high[0]

    def test_few_disagreements_by_hand(self):
        # Bonett and Price: (5 + 1) / 102 - (0 + 1) / 102 = 0.04902, variance (0.05882 + 0.00980 - 0.00240) / 102
        # = 0.000649, so 0.04902 -+ 1.96 * 0.02548: an interval with 0 in it, as McNemar's p = 0.0625 says
        assert self.contrast(5, 0, 100) == pytest.approx((0.05, -0.00092, 0.09896), abs=2e-5)

    def test_no_disagreement_is_no_certainty(self):
        # 0 -+ 1.96 * sqrt(2 / 102 / 102) = 0.02717
        assert self.contrast(0, 0, 100) == pytest.approx((0, -0.02717, 0.02717), abs=2e-5)
        # one image: 1.96 * sqrt(2 / 3 / 3) = 0.92395
        assert self.contrast(0, 0, 1)[1:] == pytest.approx((-0.92395, 0.92395), abs=2e-5)

    def test_many_disagreements_near_the_normal_interval(self):
        # 0.125 -+ 1.96 sqrt((0.2 - 0.125^2) / 2000) = 0.0188
        assert self.contrast(325, 75, 2000) == pytest.approx((0.125, 0.1062, 0.1438), abs=0.001)

    def test_images_that_were_not_asked(self):
        differences = np.array([[1.0], [np.nan], [0.0], [-1.0]] * 50)
        found = estimate_contrasts(differences, np.zeros(200, int), np.ones(1), Resampling())
        assert (found.value[0], found.n[0]) == (0.0, 150)


class TestGroups:
    """Copies of an image in one group must count as the one image."""

    right = (np.random.default_rng(4).random((90, 3)) < (0.9, 0.6, 0.5)).astype(float)
    classes = np.arange(90) % 3
    copies = np.repeat(np.arange(90), 4)

    def test_groups_of_one_class_are_stratified(self):
        strata = strata_of(self.classes[self.copies], self.copies)
        assert strata[:, 0].tolist() == strata_of(self.classes)[self.copies].tolist()
        assert strata[:, 1].tolist() == self.copies.tolist()

    def test_groups_across_classes_are_one_stratum(self):
        assert (strata_of(self.classes, np.arange(90) // 3)[:, 0] == 0).all()

    def test_a_group_is_drawn_whole(self):
        # one group of three right answers and one of one wrong answer: a resample has 0, 3 of 4 or 1 right
        right, strata = column(3, 4), strata_of(np.zeros(4, int), np.array([0, 0, 0, 1]))
        means = resampled_means(right, np.ones_like(right), strata, Resampling(draws=400))
        assert set(means[:, 0]) == {0.0, 0.75, 1.0}

    def test_resamples_are_those_of_the_images_without_copies(self):
        lone = resampled_means(self.right, np.ones_like(self.right), strata_of(self.classes), Resampling(draws=100))
        right, strata = self.right[self.copies], strata_of(self.classes[self.copies], self.copies)
        np.testing.assert_allclose(resampled_means(right, np.ones_like(right), strata, Resampling(draws=100)), lone)

    @pytest.mark.parametrize("estimate", ["accuracies", "contrasts"])
    def test_intervals_are_those_without_copies_and_a_little_wider(self, estimate):
        def ends(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
            if estimate == "accuracies":
                found = estimate_accuracies(values, np.ones_like(values), strata, Resampling())
            else:
                found = estimate_contrasts(values - values[:, [1]], strata, np.ones(3), Resampling())
            return np.stack([found.low, found.high])

        lone = ends(self.right, strata_of(self.classes))
        grouped = ends(self.right[self.copies], strata_of(self.classes[self.copies], self.copies))
        np.testing.assert_allclose(grouped, lone, atol=0.02)  # Student's law for 90 groups, up to a resampled image

    def test_design_effect_by_hand(self):
        # 4 copies: 4 times 90 / 89; lone images 1; all alike: nothing is seen, and a group is worth one image
        right, strata = self.right[self.copies], strata_of(self.classes[self.copies], self.copies)
        assert design_effects(right, np.ones_like(right), strata) == pytest.approx([4 * 90 / 89] * 3)
        assert design_effects(right, np.ones_like(right), strata[:, 0]).tolist() == [1.0] * 3
        same = np.ones((360, 1))
        assert design_effects(same, same, strata).tolist() == [4.0]

    def test_all_right_is_as_certain_as_the_groups_are_many(self):
        right, strata = np.ones((200, 1)), strata_of(np.zeros(200, int), np.arange(200) // 5)
        found = estimate_accuracies(right, right, strata, Resampling())
        assert found.low[0] == pytest.approx(0.9119, abs=1e-4)  # 40 of 40

    def test_order_of_the_images_plays_no_part(self):
        order = np.random.default_rng(0).permutation(360)
        right, strata = self.right[self.copies], strata_of(self.classes[self.copies], self.copies)
        assert (group_sums(right[order], strata[order]) == group_sums(right, strata)).all()

    def test_two_groups_that_happen_to_agree_tell_little(self):
        right, classes = np.tile([1.0, 1.0, 1.0, 0.0], 90)[:, None], np.zeros(360, int)  # 75% in either group
        found = estimate_accuracies(right, np.ones_like(right), strata_of(classes, np.arange(360) // 180), Resampling())
        worth = 360 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 1)) ** 2  # Korn and Graubard: 8.6 images
        exact = stats.beta.ppf([0.025, 0.975], [0.75 * worth, 0.75 * worth + 1], [0.25 * worth + 1, 0.25 * worth])
        assert (found.low[0], found.high[0]) == pytest.approx(tuple(exact))
        gaps = np.tile([1.0, 0.0, 0.0, 0.0], 90)[:, None]
        gap = estimate_contrasts(gaps, strata_of(classes, np.arange(360) // 180), np.ones(1), Resampling())
        assert gap.low[0] < 0 < gap.value[0] == 0.25

    def test_a_normal_mean_has_students_interval(self):
        # expanded percentiles of 12 groups of one: t of 11 degrees of freedom, 2.201 in place of 1.96
        values = stats.norm.ppf((np.arange(12) + 0.5) / 12)[:, None]
        strata = strata_of(np.zeros(12, int), np.arange(12))
        found = estimate_contrasts(values, strata, np.full(1, 9.0), Resampling(draws=40_000))
        half = stats.t.ppf(0.975, 11) * values.std(ddof=1) / np.sqrt(12)
        assert (found.high[0] - found.low[0]) / 2 == pytest.approx(half, rel=0.05)


@given(
    right=hnp.arrays(float, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=st.sampled_from([0.0, 1.0])),
    classes=st.integers(1, 5),
    seed=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_interval_holds_the_estimate_and_stays_possible(right, classes, seed):
    strata = strata_of(np.arange(len(right)) % min(classes, len(right)))
    found = estimate_accuracies(right, np.ones_like(right), strata, Resampling(draws=50, seed=seed))
    assert (found.low >= 0).all()
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    assert (found.high <= 1).all()
    assert (found.low < found.high).all()
    contrast = estimate_contrasts(
        right - right[:, :1], strata, np.ones(right.shape[1]), Resampling(draws=50, seed=seed)
    )
    assert (contrast.low >= -1).all()
    assert (contrast.low <= contrast.value).all()
    assert (contrast.value <= contrast.high).all()
    assert (contrast.high <= 1).all()
