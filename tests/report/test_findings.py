"""Titles say what the tables say, and no more."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from visavis.report import findings
from visavis.report.tables import Cell, ResultGroup, ResultRow


def group(*models: tuple[str, float, int | None], view: str = "clean") -> ResultGroup:
    rows = tuple(
        ResultRow(
            model=model,
            cells={"accuracy": Cell(value=value, low=0, high=1, n=40, draw_low=math.nan, draw_high=math.nan)},
            tie_group=tie,
        )
        for model, value, tie in models
    )
    return ResultGroup(view=view, measure="knn", rows=rows, n=40)


@pytest.mark.parametrize(
    ("models", "title"),
    [
        ([("A", 0.6, 1)], "Nearest neighbours: A gets 60.0% right"),
        ([("A", 0.6, 1), ("B", 0.4, 2)], "Nearest neighbours: A is best, with 60.0% right"),
        ([("A", 0.6, 1), ("B", 0.6, 1)], "Nearest neighbours: 40 images cannot tell A from B"),
        (
            [("A", 0.6, 1), ("B", 0.5, 1), ("C", 0.5, 1), ("D", 0, 2)],
            "Nearest neighbours: 40 images cannot tell A from B and C",
        ),
        ([("A", 0.6, None), ("B", 0.5, None)], "Nearest neighbours"),
    ],
)
def test_accuracy_title(models: list[tuple[str, float, int | None]], title: str) -> None:
    assert findings.accuracy_title(group(*models)) == title


def effects(low: float, high: float) -> pd.DataFrame:
    rows = [
        ["clean", "knn", "architecture", "ViT minus ResNet", (low + high) / 2, low, high],
        ["clean", "knn", "training", "language minus labels", 0.01, -0.01, 0.03],
    ]
    return pd.DataFrame(rows, columns=["view", "measure", "effect", "description", "difference", "low", "high"])


def test_effects_title_names_only_what_is_clear_of_zero() -> None:
    clear = findings.effects_title(effects(-0.3, -0.2), "clean", "knn")
    assert clear == "Architecture matters most: −25.0 points for ViT minus ResNet"
    assert "neither architecture nor training" in findings.effects_title(effects(-0.3, 0.2), "clean", "knn")


def speeds(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["model", "value", "low", "high"])
    empty = dict.fromkeys(("draw_low", "draw_high", "tie_group"), math.nan)
    return table.assign(view="", measure="cost", metric="images_per_s", n=8.0, **empty)


def test_fastest_is_named_only_where_no_timing_overlaps() -> None:
    assert findings.cost_title(speeds(("A", 500, 490, 510), ("B", 400, 390, 480))) == (
        "A is the fastest here: 500 images a second"
    )
    assert "overlap" in findings.cost_title(speeds(("A", 500, 490, 510), ("B", 400, 390, 495)))
    assert findings.cost_title(speeds(("A", 500, 490, 510))) == "Accuracy against cost"


def test_gallery_title_counts_images_with_right_and_wrong_answers() -> None:
    # s1: A right, B wrong. s2: both right. s3: only A decided, so it does not count.
    rows = [("s1", "A", "x"), ("s1", "B", "y"), ("s2", "A", "x"), ("s2", "B", "x"), ("s3", "A", "y")]
    predictions = pd.DataFrame(rows, columns=["sample", "model", "predicted"])
    predictions = predictions.assign(label="x", view="clean", measure="knn", draw=0)
    assert findings.gallery_title(predictions, ("clean", "knn")) == (
        "On 1 of 2 images some models are right and others wrong"
    )


def test_views_title_names_a_model_only_where_it_is_highest_everywhere() -> None:
    same = [group(("A", 0.6, 1), ("B", 0.5, 2)), group(("A", 0.3, 1), ("B", 0.2, 1), view="gray")]
    assert findings.views_title(same) == "A scores highest under all 2 views"
    assert "depends" in findings.views_title([same[0], group(("B", 0.3, 1), ("A", 0.2, 1), view="gray")])
