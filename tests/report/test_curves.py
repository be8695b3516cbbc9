"""Lines with intervals: places are told by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from visavis.report.curves import curves


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": ["a", "a", "a", "b", "b"],
            "shots": [4, 1, 2, 1, 4],
            "value": [1.0, 0.0, 0.5, 0.25, None],
            "low": [0.9, 0.0, 0.4, 0.25, None],
            "high": [1.0, 0.1, 0.6, 0.25, None],
        }
    )


def test_points_stand_in_order_at_their_places(table):
    chart = curves(table, x="shots", titles=("shots", "accuracy"), logarithmic=True)
    a, b = chart.lines
    assert [point.x for point in a.points] == pytest.approx([0, 50, 100], abs=0.01)  # 1, 2, 4: equal factors
    assert [point.y for point in a.points] == pytest.approx([100, 50, 0], abs=0.01)  # measured from the top
    assert [(point.x, point.y) for point in b.points] == [(0, pytest.approx(75, abs=0.01))]  # the empty one is left out
    assert a.points[1].says == "shots 2: 50.0% [40.0%, 60.0%]"
    assert b.points[0].says == "shots 1: 25.0%"
    assert [text for _, text in chart.across] == ["1", "2", "4"]


def test_a_band_goes_there_and_back(table):
    chart = curves(table, x="shots", titles=("shots", "accuracy"))
    band = chart.lines[0].band
    assert band.startswith("M0 90L")
    assert band.endswith("Z")
    assert band.count(" ") == 6  # three points above, three below
    assert curves(table.drop(columns=["low", "high"]), x="shots", titles=("", "")).lines[0].band == ""


def test_levels_are_inside_the_field(table):
    chart = curves(table, x="shots", titles=("shots", "accuracy"), levels=((0.5, "chance"),))
    assert chart.levels == ((pytest.approx(50, abs=0.01), "chance"),)


def test_one_place_alone_is_in_the_middle(table):
    [line] = curves(table[table["model"] == "b"].dropna(), x="shots", titles=("", "")).lines
    assert line.points[0].x == pytest.approx(50, abs=0.01)


def test_no_rows_are_refused(table):
    with pytest.raises(ValueError, match="needs rows"):
        curves(table.head(0), x="shots", titles=("", ""))
