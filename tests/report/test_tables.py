"""Reshaping of tidy tables, against answers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import pytest

from visavis.report import tables as reshaped
from visavis.report.page import ReportTables

FIRST = ("clean", "knn")
COLUMNS = ["model", "view", "measure", "metric", "value", "low", "high", "n", "draw_low", "draw_high", "tie_group"]


def decisions(rows: list[tuple[str, str, str, str | None, str]], draw: int = 0) -> pd.DataFrame:
    """Predictions of (sample, model, measure, label, predicted) under the view "clean"."""
    table = pd.DataFrame(rows, columns=["sample", "model", "measure", "label", "predicted"])
    return table.assign(view="clean", draw=draw, confidence=0.5, rank=1)


def results(rows: list[tuple[str, str, str, float, float | None]]) -> pd.DataFrame:
    """Accuracies of (model, view, measure, value, tie group), each from 10 images."""
    filled = [
        [*row[:3], "accuracy", row[3], row[3] - 0.1, row[3] + 0.1, 10, math.nan, math.nan, row[4]] for row in rows
    ]
    return pd.DataFrame(filled, columns=COLUMNS)


def test_percent_with_interval() -> None:
    row = pd.Series({"value": 0.53197, "low": 0.4951, "high": 0.56949})
    assert reshaped.percent_with_interval(row) == "53.2 [49.5, 56.9]"


def test_headline_is_the_measure_that_most_models_took() -> None:
    table = results([("A", "clean", "naming", 0.5, 1), ("A", "clean", "knn", 0.4, 1), ("B", "clean", "knn", 0.3, 1)])
    assert reshaped.headline(table) == ("clean", "knn")


def test_headline_prefers_naming_among_equals_and_the_first_view() -> None:
    table = results([("A", "clean", "knn", 0.4, 1), ("A", "clean", "naming", 0.4, 1), ("A", "gray", "knn", 0.4, 1)])
    assert reshaped.headline(table) == ("clean", "naming")
    assert reshaped.headline(table.head(0)) == ("", "")


def test_groups_stand_best_first_with_reasons_last() -> None:
    table = results([("A", "clean", "knn", 0.3, 2), ("B", "clean", "knn", 0.6, 1)])
    empty = [
        {"model": "C", "measure": "knn", "reason": "no vectors"},
        {"model": "A", "measure": "zero_shot", "reason": "no text"},
    ]
    groups = reshaped.result_groups(table, empty)
    assert [(group.measure, group.n) for group in groups] == [("knn", 10), ("zero_shot", None)]
    assert [(row.model, row.tie_group, row.reason) for row in groups[0].rows] == [
        ("B", 1, ""), ("A", 2, ""), ("C", None, "no vectors"),
    ]  # fmt: skip


def test_figure_leaves_out_what_naming_repeats() -> None:
    rows = [("A", view, measure, 0.5, 1) for view in ("clean", "gray") for measure in ("naming", "zero_shot", "knn")]
    groups = reshaped.result_groups(results(rows), [])
    assert [(group.view, group.measure) for group in reshaped.plotted_groups(groups)] == [
        ("clean", "naming"), ("clean", "knn"),
    ]  # fmt: skip
    without = reshaped.result_groups(results(rows[1:3]), [])
    assert [group.measure for group in reshaped.plotted_groups(without)] == ["knn", "zero_shot"]


def test_pairs_stand_by_the_place_of_their_models() -> None:
    groups = reshaped.result_groups(
        results([("A", "clean", "knn", 0.9, 1), ("B", "clean", "knn", 0.8, 1), ("C", "clean", "knn", 0.7, 1)]), []
    )
    pairs = pd.DataFrame({"model_a": ["B", "A", "A"], "model_b": ["C", "C", "B"], "view": "clean", "measure": "knn"})
    (group,) = reshaped.pair_groups(pairs, groups, FIRST)
    assert [(row.model_a, row.model_b) for row in group.rows] == [("A", "B"), ("A", "C"), ("B", "C")]
    assert group.left_out == 0


def test_long_tables_say_what_they_leave_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reshaped, "LONGEST_TABLE", 1)
    groups = reshaped.result_groups(
        results([("A", "clean", "knn", 0.9, 1), ("B", "clean", "knn", 0.8, 1), ("C", "clean", "knn", 0.7, 1)]), []
    )
    pairs = pd.DataFrame({"model_a": ["A", "A"], "model_b": ["C", "B"], "view": "clean", "measure": "knn"})
    (group,) = reshaped.pair_groups(pairs, groups, FIRST)
    assert [row.model_b for row in group.rows] == ["B"]
    assert group.left_out == 1


# A: cat cat | dog dog dog; of the cats A gets 2 and B 0, of the dogs A gets 1 and B 2, of the one fox neither.
PREDICTIONS = decisions(
    [
        ("1", "A", "knn", "cat", "cat"), ("2", "A", "knn", "cat", "cat"),
        ("3", "A", "knn", "dog", "dog"), ("4", "A", "knn", "dog", "cat"), ("5", "A", "knn", "dog", "cat"),
        ("6", "A", "knn", "fox", "cat"), ("7", "A", "knn", None, "cat"),
        ("1", "B", "knn", "cat", "dog"), ("2", "B", "knn", "cat", "dog"),
        ("3", "B", "knn", "dog", "dog"), ("4", "B", "knn", "dog", "dog"), ("5", "B", "knn", "dog", "cat"),
        ("6", "B", "knn", "fox", "dog"), ("7", "B", "knn", None, "dog"),
    ]
)  # fmt: skip


def test_per_class_counts_labelled_images_of_the_main_run() -> None:
    repeats = pd.concat([PREDICTIONS, PREDICTIONS.assign(draw=1), PREDICTIONS.assign(measure="zero_shot")])
    counts = reshaped.per_class(repeats, *FIRST)
    found = {(row.label, row.model): (row.right, row.n) for row in counts.itertuples()}
    assert found == {
        ("cat", "A"): (2, 2), ("dog", "A"): (1, 3), ("fox", "A"): (0, 1),
        ("cat", "B"): (0, 2), ("dog", "B"): (2, 3), ("fox", "B"): (0, 1),
    }  # fmt: skip


def test_widest_and_hardest_classes() -> None:
    counts = reshaped.per_class(PREDICTIONS, *FIRST)
    # Spread of accuracy: cat 1 - 0, dog 2/3 - 1/3, fox 0 and so left out.
    # Mean error: fox 1, cat 1/2, dog 1/2 on more images.
    widest = reshaped.widest_classes(counts, limit=1)
    assert widest.rows == (("cat", 2, {"A": 2, "B": 0}),)
    assert widest.left_out == 1
    hardest = reshaped.hardest_classes(counts, limit=10)
    assert [name for name, _, _ in hardest.rows] == ["fox", "dog", "cat"]
    assert hardest.left_out == 0


def test_costs_keep_their_order_and_unknown_ones(make: Callable[..., ReportTables]) -> None:
    table = make(n_classes=12).results
    extra = table[table["metric"] == "params"].assign(metric="watts")
    costs = reshaped.cost_rows(pd.concat([extra, table.sample(frac=1, random_state=0)]))
    assert list(costs["RN-mini.emoji"]) == [*reshaped.COSTS, "watts"]
    assert math.isnan(costs["RN-mini.emoji"]["params"].low)
