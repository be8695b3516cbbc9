"""Scales and places: an interval must lie where its numbers say."""

from __future__ import annotations

import math
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.report import figures
from visavis.report.tables import Cell, ResultGroup, ResultRow

SHARES = st.floats(0, 1, allow_subnormal=False)


def cell(value: float, low: float, high: float) -> Cell:
    return Cell(value=value, low=low, high=high, n=100, draw_low=math.nan, draw_high=math.nan)


def group(*cells: Cell, ties: tuple[int | None, ...] = ()) -> ResultGroup:
    rows = tuple(
        ResultRow(model=f"model {number}", cells={"accuracy": own}, tie_group=ties[number] if ties else None)
        for number, own in enumerate(cells)
    )
    return ResultGroup(view="clean", measure="knn", rows=rows, n=100)


@given(st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(-1e6, 1e6, allow_subnormal=False))
def test_linear_axis_holds_both_ends_with_few_round_ticks(one: float, other: float) -> None:
    low, high = sorted((one, other))
    axis = figures.linear_axis(low, high, text=str)
    slack = max(1e-6 * abs(low), 1e-6 * abs(high), figures.SMALLEST)
    assert axis.low <= low + slack
    assert axis.high >= high - slack
    places = [place for place, _ in axis.ticks]
    assert places == sorted(places)
    assert places[0] == figures.MARGIN
    assert places[-1] == 100 - figures.MARGIN
    assert 2 <= len(places) <= 8


@given(SHARES, SHARES, SHARES)
def test_places_keep_the_order_of_values(low: float, value: float, high: float) -> None:
    low, value, high = sorted((low, value, high))
    axis = figures.accuracy_axis([group(cell(value, low, high))], n_classes=10)
    mark = figures.accuracy_panels([group(cell(value, low, high))], axis)[0].ties[0][1][0][1]
    assert 0 <= mark.low <= mark.at <= mark.high <= 100


def test_accuracy_axis_by_hand() -> None:
    wide = figures.accuracy_axis([group(cell(0.53, 0.49, 0.57), cell(0.23, 0.2, 0.26))], n_classes=10)
    # 0 to 57%: steps of 20% as 57 / 5 lies between 10 and 20; from 0, since the intervals span more than 30% of 57.
    assert [text for _, text in wide.ticks] == ["0%", "20%", "40%", "60%"]
    assert wide.references == ((20.0, "chance"),)  # 10% is a sixth of the scale: 5 + 90 / 6
    assert wide.place(0.3) == 50
    narrow = figures.accuracy_axis([group(cell(0.95, 0.94, 0.96), cell(0.93, 0.92, 0.945))], n_classes=10)
    assert [text for _, text in narrow.ticks] == ["92%", "93%", "94%", "95%", "96%"]
    assert narrow.references == ()


def test_accuracy_axis_ends_at_all() -> None:
    axis = figures.accuracy_axis([group(cell(1.0, 0.85, 1.0))], n_classes=None)
    assert axis.high == pytest.approx(1.0)


@given(st.floats(1e-3, 1e12), st.floats(1.01, 1e6))
def test_logarithmic_axis_holds_both_ends(low: float, factor: float) -> None:
    axis = figures.logarithmic_axis(low, low * factor)
    assert axis.low <= low * 1.0011
    assert axis.high >= low * factor * 0.9989
    assert len(axis.ticks) >= 2
    assert figures.MARGIN <= axis.place(low) <= axis.place(low * factor) <= 100 - figures.MARGIN


def test_panels_keep_tie_groups_together() -> None:
    three = group(cell(0.9, 0.8, 0.95), cell(0.8, 0.7, 0.9), cell(0.1, 0.0, 0.2), ties=(1, 1, 2))
    (panel,) = figures.accuracy_panels([three], figures.accuracy_axis([three], None))
    assert [(number, [row.model for row, _ in rows]) for number, rows in panel.ties] == [
        (1, ["model 0", "model 1"]), (2, ["model 2"]),
    ]  # fmt: skip


def test_difference_axis_holds_zero() -> None:
    table = pd.DataFrame({"difference": [0.2], "low": [0.15], "high": [0.25], "n": [9]})
    axis = figures.difference_axis(table)
    assert [text for _, text in axis.ticks] == ["0", "+5", "+10", "+15", "+20", "+25"]
    assert axis.references == ((figures.MARGIN, "no difference"),)
    mark = figures.difference_mark(next(table.itertuples()), axis)
    assert (mark.low, mark.at, mark.high) == (59.0, 77.0, 95.0)  # 5 + 90 x (0.6, 0.8, 1)


def test_scatter_places_cost_across_and_accuracy_upwards() -> None:
    accuracies = group(cell(0.4, 0.3, 0.5), cell(0.2, 0.1, 0.3))
    axis = figures.accuracy_axis([accuracies], None)  # 0 to 50%
    costs = pd.DataFrame(
        {
            "model": ["model 0", "model 1"], "view": "", "measure": "cost", "metric": "images_per_s",
            "value": [100.0, 400.0], "low": [90.0, 390.0], "high": [110.0, 410.0], "n": 8.0,
            "draw_low": math.nan, "draw_high": math.nan, "tie_group": math.nan,
        }
    )  # fmt: skip
    scatter = figures.cost_scatter(costs, accuracies, "images_per_s", axis)
    assert scatter is not None
    assert [text for _, text in scatter.axis.ticks] == ["0", "100", "200", "300", "400", "500"]
    first, second = scatter.points
    assert (first.x.at, second.x.at) == (23.0, 77.0)  # 5 + 90 x (0.2, 0.8)
    span = figures.SCATTER_BOTTOM - figures.SCATTER_TOP
    assert first.y.at == pytest.approx(figures.SCATTER_BOTTOM - 0.8 * span)
    assert (first.label_left, second.label_left) == (False, True)
    assert figures.cost_scatter(costs.head(1), accuracies, "images_per_s", axis) is None
    assert figures.cost_scatter(costs, accuracies, "macs", axis) is None


@given(st.lists(st.floats(figures.SCATTER_TOP, figures.SCATTER_BOTTOM), min_size=1, max_size=12))
def test_labels_never_overlap(heights: list[float]) -> None:
    placed = figures.spread_out(heights)
    ordered = sorted(placed)
    assert all(b - a >= figures.LINE - 1e-9 for a, b in pairwise(ordered))
    assert [heights[i] for i in sorted(range(len(heights)), key=placed.__getitem__)] == sorted(heights)


def test_labels_with_room_stay_where_they_are() -> None:
    assert figures.spread_out([200.0, 50.0, 100.0]) == [200.0, 50.0, 100.0]


def test_64_models_look_different() -> None:
    looks = {(number % figures.COLOURS, figures.mark_of(number)) for number in range(64)}
    assert len(looks) == 64


def test_models_are_numbered_in_the_protocols_order() -> None:
    results = pd.DataFrame({"model": ["B", "C"]})
    predictions = pd.DataFrame({"model": ["A", "D"]})
    protocol = {"models": [{"name": "A"}, {"name": "B"}], "empty_cells": [{"model": "E"}]}
    assert figures.number_models(protocol, results, predictions) == {"A": 0, "B": 1, "C": 2, "D": 3, "E": 4}
