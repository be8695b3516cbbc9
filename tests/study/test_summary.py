"""Results from predictions: by hand, against scikit-learn, and the measure "naming"."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from visavis.errors import UsageError
from visavis.study.summary import RESULT_COLUMNS, summarize, with_naming

SEVEN = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]


def row(results: pd.DataFrame, metric: str = "accuracy", **where: str) -> pd.Series:
    shown = results[results["metric"] == metric]
    for column, value in where.items():
        shown = shown[shown[column] == value]
    assert len(shown) == 1
    return shown.iloc[0]


class TestByHand:
    def test_six_samples(self, table):
        # four cats, three of them right; two dogs, one right: 4/6, and (3/4 + 1/2) / 2 = 5/8
        results = summarize(table({"A": "111212"}, labels=["cat"] * 4 + ["dog"] * 2))
        assert tuple(results) == RESULT_COLUMNS
        assert list(results["metric"]) == ["accuracy", "balanced_accuracy"]
        assert row(results)["value"] == pytest.approx(4 / 6)
        assert row(results, "balanced_accuracy")["value"] == pytest.approx(5 / 8)
        assert (results["n"] == 6).all()
        assert (results["low"] < results["value"]).all()
        assert results[["draw_low", "draw_high", "tie_group"]].isna().all(axis=None)

    def test_among_five_where_there_are_more_classes(self, table):
        # ranks 1, 5, 6, 2, 7, 1, 9: two of seven first, four of seven among five
        results = summarize(table({"A": "1562719"}, labels=SEVEN))
        assert row(results)["value"] == 2 / 7
        assert row(results, "accuracy@5")["value"] == 4 / 7

    def test_five_classes_have_no_five_to_be_among(self, table):
        results = summarize(table({"A": "11111"}, labels=SEVEN[:5]))
        assert list(results["metric"]) == ["accuracy", "balanced_accuracy"]

    def test_order_is_view_measure_model_metric(self, table):
        predictions = pd.concat(
            [
                table({"B": "12"}, measure="zero_shot"),
                table({"B": "12"}),
                table({"B": "12"}, view="blur"),
                table({"A": "12"}),
            ]
        )
        results = summarize(predictions, draws=10)
        shown = results[results["metric"] == "accuracy"]
        assert list(zip(shown["view"], shown["measure"], shown["model"], strict=True)) == [
            ("clean", "zero_shot", "B"), ("clean", "knn", "B"), ("clean", "knn", "A"), ("blur", "knn", "B"),
        ]  # fmt: skip

    def test_range_over_repeats(self, table):
        repeats = [table({"A": ranks, "B": "1111"}, draw=draw) for draw, ranks in enumerate(("1122", "1112", "1222"))]
        results = summarize(pd.concat(repeats), draws=50)
        found = row(results, model="A")
        assert (found["value"], found["draw_low"], found["draw_high"]) == (0.5, 0.25, 0.75)
        only_main = summarize(repeats[0], draws=50)
        assert (found["low"], found["high"]) == tuple(row(only_main, model="A")[["low", "high"]])  # never mixed

    def test_repeats_of_one_model_only(self, table):
        results = summarize(pd.concat([table({"A": "12", "B": "12"}), table({"A": "11"}, draw=1)]), draws=50)
        assert row(results, model="A")["draw_high"] == 1
        assert np.isnan(row(results, model="B")["draw_high"])


class TestIntervals:
    def test_one_image_a_class_gets_one_interval_for_both_metrics(self, table):
        # with fixed weights; resampled classes' means would make this interval a quarter too short
        classes = [f"class {number}" for number in range(150)]
        results = summarize(table({"A": "112" * 50}, labels=classes))
        plain, balanced = row(results), row(results, "balanced_accuracy")
        assert tuple(balanced[["value", "low", "high"]]) == pytest.approx(tuple(plain[["value", "low", "high"]]))
        # 2/3 -+ 1.96 sqrt(2/9 / 150) = 2/3 -+ 0.075
        assert (plain["low"], plain["high"]) == pytest.approx((0.591, 0.742), abs=0.01)

    def test_a_rare_class_widens_the_balanced_interval(self, table):
        # the 20 images of a rare class count half: standard error sqrt(0.25 (0.25 / 20 + 0.25 / 180)) = 0.059
        results = summarize(table({"A": "12" * 10 + "12" * 90}, labels=["cat"] * 20 + ["dog"] * 180))
        balanced = row(results, "balanced_accuracy")
        assert (balanced["high"] - balanced["low"]) / 2 == pytest.approx(1.96 * 0.059, abs=0.012)
        assert row(results)["high"] - row(results)["low"] < balanced["high"] - balanced["low"]


class TestProperties:
    @given(ranks=st.text("123", min_size=1, max_size=40), classes=st.integers(1, 7), seed=st.integers(0, 99))
    @settings(max_examples=30, deadline=None)
    def test_values_are_scikit_learns(self, table, ranks, classes, seed):
        labels = list(np.random.default_rng(seed).choice(SEVEN[:classes], len(ranks)))
        predictions = table({"A": ranks}, labels=labels)
        results = summarize(predictions, draws=20)
        assert row(results)["value"] == pytest.approx((predictions["label"] == predictions["predicted"]).mean())
        truth = predictions["label"]
        oracle = recall_score(truth, predictions["predicted"], labels=truth.unique(), average="macro", zero_division=0)
        assert row(results, "balanced_accuracy")["value"] == pytest.approx(oracle)
        assert ((results["low"] <= results["value"]) & (results["value"] <= results["high"])).all()

    @given(ranks=st.text("12", min_size=2, max_size=60), order=st.randoms())
    @settings(max_examples=20, deadline=None)
    def test_row_order_and_class_names_do_not_matter(self, table, ranks, order):
        predictions = table({"A": ranks})
        shuffled = predictions.sample(frac=1, random_state=order.randrange(2**31))
        names = {"cat": "Zebra", "dog": "aardvark"}
        renamed = shuffled.replace({"label": names, "predicted": names})
        pd.testing.assert_frame_equal(summarize(predictions, draws=50), summarize(renamed, draws=50))


class TestNaming:
    def study(self, table) -> pd.DataFrame:
        return pd.concat(
            [
                table({"resnet": "1122"}, measure="classifier"),
                table({"CLIP": "1112"}, measure="zero_shot"),
                table({"resnet": "2222", "CLIP": "1111"}),
            ],
            ignore_index=True,
        )

    def test_each_by_its_own_means(self, table):
        before = self.study(table)
        results = summarize(with_naming(before), draws=20)
        assert row(results, measure="naming", model="resnet")["value"] == 2 / 4
        assert row(results, measure="naming", model="CLIP")["value"] == 3 / 4
        pd.testing.assert_frame_equal(before, self.study(table))  # pure

    def test_twice_is_once(self, table):
        once = with_naming(self.study(table))
        assert len(once) == 16 + 8
        assert once["measure"].iloc[0] == "naming"
        pd.testing.assert_frame_equal(once, with_naming(once))

    def test_a_model_with_both_names_by_its_classifier(self, table):
        both = pd.concat([self.study(table), table({"resnet": "1111"}, measure="zero_shot")])
        assert row(summarize(with_naming(both), draws=20), measure="naming", model="resnet")["value"] == 2 / 4

    @pytest.mark.parametrize("kind", ["classifier", "zero_shot", "knn"])
    def test_not_for_one_kind_of_model(self, table, kind):
        predictions = table({"A": "12", "B": "21"}, measure=kind)
        pd.testing.assert_frame_equal(with_naming(predictions), predictions)

    def test_not_across_views(self, table):
        apart = pd.concat(
            [table({"A": "12"}, measure="classifier"), table({"B": "21"}, measure="zero_shot", view="blur")],
            ignore_index=True,
        )
        pd.testing.assert_frame_equal(with_naming(apart), apart)


def test_nothing_to_summarize(table):
    with pytest.raises(UsageError, match="no prediction"):
        summarize(table({"A": "1"}).iloc[:0])


def test_no_main_run(table):
    with pytest.raises(UsageError, match="draw 0"):
        summarize(table({"A": "12"}, draw=1))
