"""Paired tests: four samples by hand, statsmodels as oracle, and what must not matter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from visavis.errors import UsageError
from visavis.study.paired_tests import mcnemar
from visavis.study.pairs import PAIR_COLUMNS, compare_pairs, holm, is_separable, level_left, tie_groups
from visavis.study.summary import summarize

NUMBERS = ["difference", "low", "high", "n", "discordant", "p_value", "p_adjusted"]
answers = st.integers(2, 30).flatmap(
    lambda n: st.lists(st.text("1122.", min_size=n, max_size=n), min_size=2, max_size=4).filter(
        lambda rows: all(set(row) != {"."} for row in rows)
    )
)


def only(pairs: pd.DataFrame) -> pd.Series:
    assert len(pairs) == 1
    return pairs.iloc[0]


class TestByHand:
    def test_four_samples_two_models(self, table):
        # B alone is right on the second and third image, A alone on none: 2 / 4 for B; p = 2 * (1/2)^2 = 0.5.
        # Bonett and Price: centre (2 + 1 - 1) / 6 = 1/3, variance ((3 + 1) / 6 - 1/9) / 6 = 0.09259, so
        # 0.3333 -+ 1.95996 * 0.30429 = -0.2631 to 0.9297
        pair = only(compare_pairs(table({"A": "1222", "B": "1112"})))
        assert (pair["model_a"], pair["model_b"], pair["metric"]) == ("B", "A", "accuracy")
        assert (pair["difference"], pair["n"], pair["discordant"]) == (0.5, 4, 2)
        assert (pair["p_value"], pair["p_adjusted"]) == (0.5, 0.5)
        assert (pair["low"], pair["high"]) == pytest.approx((-0.2631, 0.9297), abs=1e-4)
        # needed: (1.95996 sqrt(0.5) + 0.84162 sqrt(0.5 - 0.25))^2 / 0.25 = 13.06 -> 14
        assert pair["verdict"] == "not separable: about 14 images would do"

    def test_only_images_that_both_were_asked(self, table):
        # of the first three images A has 2 and B none; the others count for neither
        pair = only(compare_pairs(table({"A": "112.11", "B": "2221.."})))
        assert (pair["model_a"], pair["n"], pair["difference"]) == ("A", 3, pytest.approx(2 / 3))

    def test_no_image_in_common(self, table):
        assert compare_pairs(table({"A": "11..", "B": "..22"})).empty

    def test_one_model(self, table):
        pairs = compare_pairs(table({"A": "1122"}))
        assert pairs.empty
        assert list(pairs) == list(PAIR_COLUMNS)

    def test_of_equals_the_first_stands_first(self, table):
        pair = only(compare_pairs(table({"B": "12", "A": "21"})))
        assert (pair["model_a"], pair["model_b"]) == ("B", "A")

    def test_better_takes_the_test_and_the_interval(self):
        cases = pd.DataFrame({"p_adjusted": [0.01, 0.01, 0.05], "low": [0.02, 0.0, 0.02]})
        assert is_separable(cases).tolist() == [True, False, False]

    def test_repeats_play_no_part(self, table):
        main = table({"A": "1222", "B": "1112"})
        repeats = table({"A": "1111", "B": "2222"}, draw=1)
        pd.testing.assert_frame_equal(compare_pairs(main), compare_pairs(pd.concat([main, repeats])))

    def test_a_family_is_a_view_and_measure(self, table):
        # A beats B by 10 disagreements to none, p = 2 / 2^10: alone in two families, so not multiplied
        ranks = {"A": "1" * 10 + "12" * 5, "B": "2" * 10 + "12" * 5}
        predictions = pd.concat([table(ranks), table(ranks, view="blur"), table(ranks, measure="zero_shot")])
        pairs = compare_pairs(predictions)
        assert list(zip(pairs["view"], pairs["measure"], strict=True)) == [
            ("clean", "knn"), ("clean", "zero_shot"), ("blur", "knn"),
        ]  # fmt: skip
        assert pairs["p_adjusted"].tolist() == pytest.approx([2 / 2**10] * 3)


class TestVerdicts:
    def verdict(self, predictions: pd.DataFrame) -> str:
        return str(only(compare_pairs(predictions))["verdict"])

    def test_better(self, table):
        assert self.verdict(table({"A": "2" * 10 + "1" * 10, "B": "1" * 20})) == "B better"

    def test_identical(self, table):
        assert self.verdict(table({"A": "1122", "B": "1122"})) == "not separable: right on the same images"

    def test_equal_but_not_identical(self, table):
        # 20 of 100 discordant, 10 each way: 100 images show 12.5 points (with 12.4 the formula asks for 100.5)
        ranks = {"A": "1" * 10 + "2" * 10 + "1" * 80, "B": "2" * 10 + "1" * 10 + "1" * 80}
        assert self.verdict(table(ranks)) == "not separable: 100 images show differences from 12 points"

    def test_hopelessly_few(self, table):
        assert self.verdict(table({"A": "12", "B": "21"})) == "not separable: too few images to show any difference"

    def test_a_tie_beside_clear_pairs_is_tested_alone(self, table):
        # A and B differ from C on all 30 images; Holm has rejected these two when it comes to A and B
        ranks = {"A": "1" * 30, "B": "1" * 27 + "222", "C": "2" * 30}
        pairs = compare_pairs(table(ranks))
        assert is_separable(pairs).tolist() == [False, True, True]
        assert level_left(pairs).tolist() == [0.05] * 3
        # 3 of 30 discordant, all for A: 1.95996^2 * 0.1 / 0.01 and more: (0.61980 + 0.84162 * 0.3)^2 / 0.01 = 76.1
        assert pairs["verdict"].tolist() == ["not separable: about 77 images would do", "A better", "B better"]


class TestEquivalent:
    def pair(self, predictions: pd.DataFrame, **settings: float) -> pd.Series:
        return only(compare_pairs(predictions, **settings))

    def test_alike_on_many_images(self, table):
        # 5 : 5 of 1,000: error sqrt(12 / 1002 / 1002) = 0.00346, and 2 points are 5.8 of it
        ranks = {"A": "1" * 5 + "2" * 5 + "1" * 990, "B": "2" * 5 + "1" * 5 + "1" * 990}
        pair = self.pair(table(ranks))
        assert pair["verdict"] == "equivalent: less than 2 points apart"
        assert pair["p_equivalence"] < 1e-6
        assert self.pair(table(ranks), margin=0.005)["verdict"].startswith("not separable")

    def test_better_by_little(self, table):
        pair = self.pair(table({"A": "1" * 2000, "B": "1" * 1985 + "2" * 15}))
        assert pair["verdict"] == "A better, by less than 2 points"

    def test_the_claims_of_a_family_are_corrected(self, table):
        ranks = {"A": "12" * 200, "B": "12" * 199 + "11", "C": "12" * 198 + "1122"}
        pairs = compare_pairs(table(ranks))
        oracle = multipletests(pairs["p_equivalence"], method="holm")[1]
        assert pairs["p_equivalence_adjusted"].tolist() == pytest.approx(oracle.tolist())


class TestGroups:
    def predictions(self, table, copies: int, groups: bool) -> pd.DataFrame:
        """20 images, of which A alone has 9 right and B alone 1; each several times."""
        once = table({"A": "1" * 9 + "2" + "1" * 10, "B": "2" * 9 + "1" + "1" * 10})
        rows = [once.assign(group=once["sample"], sample=once["sample"] + f" {number}") for number in range(copies)]
        return pd.concat(rows) if groups else pd.concat(rows).drop(columns="group")

    def test_copies_of_an_image_prove_no_more_than_the_image(self, table):
        once, alone, grouped = (
            only(compare_pairs(self.predictions(table, *case))) for case in ((1, False), (4, False), (4, True))
        )
        assert grouped["p_value"] == pytest.approx(once["p_value"])
        assert alone["p_value"] < once["p_value"] / 1000
        assert (grouped["n"], grouped["discordant"]) == (80, 40)
        assert grouped["design_effect"] == pytest.approx(4 * 20 / 19)
        assert (grouped["low"], grouped["high"]) == pytest.approx((once["low"], once["high"]), abs=0.05)

    def test_more_images_of_as_large_groups_are_asked_for(self, table):
        ranks = {"A": "11122" + "1" * 35, "B": "22211" + "1" * 35}
        once = table(ranks)
        rows = [once.assign(group=once["sample"], sample=once["sample"] + f" {number}") for number in range(5)]
        words = only(compare_pairs(pd.concat(rows)))["verdict"], only(compare_pairs(once))["verdict"]
        grouped, alone = (int("".join(filter(str.isdigit, text))) for text in words)
        assert grouped == pytest.approx(5 * alone, rel=0.06)  # 40 / 39 and rounding

    def test_a_column_of_no_groups_changes_nothing(self, table):
        predictions = table({"A": "1121" * 25, "B": "2112" * 25})
        pd.testing.assert_frame_equal(compare_pairs(predictions.assign(group="")), compare_pairs(predictions))


class TestOracles:
    def test_mcnemar_is_statsmodels(self):
        tables = [(0, 0), (0, 1), (5, 0), (6, 0), (7, 7), (12, 30), (3, 19), (400, 460), (1, 1)]
        found = mcnemar(*np.array(tables).T)
        for (only_a, only_b), p_value in zip(tables, found, strict=True):
            oracle = statsmodels_mcnemar([[50, only_a], [only_b, 50]], exact=True).pvalue
            assert p_value == pytest.approx(1.0 if only_a == only_b == 0 else oracle, abs=1e-12)

    @given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=12))
    @settings(max_examples=15, deadline=None)  # the oracle takes a tenth of a second a call
    def test_holm_is_statsmodels(self, p_values):
        oracle = multipletests(p_values, method="holm")[1]
        np.testing.assert_allclose(holm(np.array(p_values)), oracle, atol=1e-12)

    def test_a_whole_table(self, table):
        chance = np.random.default_rng(3)
        ranks = {
            name: "".join(chance.choice(["1", "2"], 200, p=[p, 1 - p]))
            for name, p in zip("ABC", (0.7, 0.5, 0.4), strict=True)
        }
        pairs = compare_pairs(table(ranks))
        right = {name: np.array(list(row)) == "1" for name, row in ranks.items()}
        raw = []
        for _, pair in pairs.iterrows():
            a, b = right[pair["model_a"]], right[pair["model_b"]]
            raw.append(statsmodels_mcnemar([[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), 0]], exact=True).pvalue)
            assert pair["difference"] == pytest.approx(a.mean() - b.mean())
            # the paired normal interval; the bootstrap's own error is about a fifth of a point
            half = 1.96 * (a.astype(int) - b).std() / np.sqrt(200)
            assert (pair["low"], pair["high"]) == pytest.approx(
                (pair["difference"] - half, pair["difference"] + half), abs=0.01
            )
        assert pairs["p_value"].tolist() == pytest.approx(raw)
        assert pairs["p_adjusted"].tolist() == pytest.approx(multipletests(raw, method="holm")[1].tolist())


class TestProperties:
    @given(rows=answers)
    @settings(max_examples=25, deadline=None)
    def test_swapping_models_flips_the_sign_and_keeps_p(self, table, rows):
        first, second = rows[0].replace(".", "2"), rows[1].replace(".", "2")
        pair = only(compare_pairs(table({"A": first, "B": second}), draws=100))
        swapped = only(compare_pairs(table({"A": second, "B": first}), draws=100))
        sign = {("A", "B"): 1, ("B", "A"): -1}
        gain = sign[pair["model_a"], pair["model_b"]] * pair["difference"]
        assert gain == -sign[swapped["model_a"], swapped["model_b"]] * swapped["difference"]
        assert (pair["p_value"], pair["discordant"]) == (swapped["p_value"], swapped["discordant"])
        if gain:
            assert (pair["low"], pair["high"]) == (swapped["low"], swapped["high"])

    @given(rows=answers)
    @settings(max_examples=25, deadline=None)
    def test_class_names_and_row_order_do_not_matter(self, table, rows):
        predictions = table(dict(zip("ABCD", rows, strict=False)))
        before = compare_pairs(predictions, draws=100)
        names = {"cat": "Zebra", "dog": "aardvark"}
        renamed = predictions.replace({"label": names, "predicted": names})
        pd.testing.assert_frame_equal(before, compare_pairs(renamed, draws=100))
        backwards = pd.concat([part.iloc[::-1] for _, part in predictions.groupby("model", sort=False)])
        pd.testing.assert_frame_equal(before, compare_pairs(backwards, draws=100))

    def test_row_order_does_not_matter_where_classes_are_strata(self, table):
        predictions = table({"A": "1121" * 25, "B": "2112" * 25})  # 50 cats, 50 dogs
        backwards = pd.concat([part.iloc[::-1] for _, part in predictions.groupby("model", sort=False)])
        pd.testing.assert_frame_equal(compare_pairs(predictions), compare_pairs(backwards))

    @given(row=st.text("12", min_size=1, max_size=60))
    @settings(max_examples=25, deadline=None)
    def test_identical_models_have_no_winner(self, table, row):
        pair = only(compare_pairs(table({"A": row, "B": row}), draws=100))
        assert (pair["difference"], pair["p_value"], pair["discordant"]) == (0, 1, 0)
        assert pair["low"] < 0 < pair["high"]
        assert "better" not in pair["verdict"]

    def test_the_seed_decides(self, table):
        ranks = {"A": "1121" * 20, "B": "2112" * 20}
        first, again, other = (compare_pairs(table(ranks), draws=50, seed=seed) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(first, again)
        assert (first["low"] != other["low"]).any() or (first["high"] != other["high"]).any()


class TestTieGroups:
    def groups(self, table, ranks: dict[str, str]) -> dict[str, float]:
        predictions = table(ranks)
        results = tie_groups(summarize(predictions, draws=100), compare_pairs(predictions))
        accuracies = results[results["metric"] == "accuracy"]
        assert results.loc[results["metric"] != "accuracy", "tie_group"].isna().all()
        return dict(zip(accuracies["model"], accuracies["tie_group"], strict=True))

    def test_all_apart(self, table):
        assert self.groups(table, {"C": "2" * 40, "A": "1" * 40, "B": "1" * 20 + "2" * 20}) == {"A": 1, "B": 2, "C": 3}

    def test_all_alike(self, table):
        assert self.groups(table, {"A": "1121", "B": "1112", "C": "2111"}) == {"A": 1, "B": 1, "C": 1}

    def test_one_model(self, table):
        assert self.groups(table, {"A": "12"}) == {"A": 1}

    def test_a_chain_is_cut_at_the_first_that_differs_from_the_groups_best(self, table):
        # nested models, each wrong on 5 more of 40 images than the one before. Neighbours differ by 5 : 0, p = 0.06;
        # next but one by 10 : 0, p = 0.002, times at most 6: apart. So A ~ B, then C ~ D, although B ~ C too.
        ranks = {name: "1" * (40 - wrong) + "2" * wrong for name, wrong in zip("ABCD", (0, 5, 10, 15), strict=True)}
        assert self.groups(table, ranks) == {"A": 1, "B": 1, "C": 2, "D": 2}

    def test_measures_are_grouped_apart(self, table):
        predictions = pd.concat(
            [table({"A": "1" * 20, "B": "2" * 20}), table({"B": "1" * 20, "A": "2" * 20}, measure="zero_shot")]
        )
        results = tie_groups(summarize(predictions, draws=100), compare_pairs(predictions))
        groups = results[results["metric"] == "accuracy"].set_index(["measure", "model"])["tie_group"].to_dict()
        assert groups == {("knn", "A"): 1, ("knn", "B"): 2, ("zero_shot", "B"): 1, ("zero_shot", "A"): 2}


class TestBadTables:
    def test_nothing(self, table):
        with pytest.raises(UsageError, match="no prediction"):
            compare_pairs(table({"A": "1", "B": "2"}).iloc[:0])

    def test_a_missing_column(self, table):
        with pytest.raises(UsageError, match="'rank'"):
            compare_pairs(table({"A": "1", "B": "2"}).drop(columns="rank"))

    def test_answered_twice(self, table):
        predictions = table({"A": "12", "B": "21"})
        with pytest.raises(UsageError, match="'image 00001' was answered twice by 'B'"):
            compare_pairs(pd.concat([predictions, predictions.tail(1)]))

    def test_two_labels(self, table):
        predictions = table({"A": "12", "B": "21"})
        predictions.loc[3, "label"] = "cat"
        with pytest.raises(UsageError, match="two labels"):
            compare_pairs(predictions)
