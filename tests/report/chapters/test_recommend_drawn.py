"""What to use stands first below the lead; its numbers are cells, its names text, its doubts said."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import draw_page, numbers_in

NASTY = "<b>ViT</b>"
TABLE = pd.DataFrame(
    [
        ("accuracy", "RN-mini.emoji", "shown", "", "6.6 points more.", "naming", "accuracy", 0.555, 0.516, 0.59, 678.0),
        ("labels", "", "open", f"RN-mini.emoji + {NASTY}", f"No test tells {NASTY}.", "knn", "accuracy", 0.441, 0.401,
         0.476, 678.0),
        ("speed", NASTY, "shown", "", "2 times as fast.", "", "images_per_s", 512.0, 500.0, 520.0, 128.0),
        ("size", NASTY, "counted", "", "The fewest.", "", "params", 4_312_000.0, None, None, None),
        ("few_labels", "", "missing", "", "No curve.", "", "accuracy", None, None, None, None),
        ("together", "a + b + c + d", "shown", "", "All four.", "", "accuracy", 0.577, 0.538, 0.614, 678.0),
    ],
    columns=["situation", "choice", "certainty", "rivals", "evidence", "measure", "metric", "value", "low", "high",
             "n"],
)  # fmt: skip


@pytest.fixture(scope="module")
def page(make) -> str:
    return draw_page(make, {"recommend": {"recommend": TABLE}}, models=("RN-mini.emoji", NASTY, "a", "b", "c", "d"))


def test_it_stands_between_the_lead_and_the_rest(page):
    places = [page.index(word) for word in ('class="lead"', 'id="recommend"', 'class="rest"', 'id="accuracy"')]
    assert places == sorted(places)
    assert page.count('id="recommend"') == 1


def test_every_number_is_a_cell(page):
    own = page[page.index('id="recommend"') : page.index('class="rest"')]
    shown = numbers_in(own)
    cells = set(TABLE[["value", "low", "high"]].astype(float).to_numpy().ravel())
    assert len(shown) > 8
    assert shown <= cells


def test_doubt_and_what_is_missing_are_said(page):
    own = page[page.index('id="recommend"') : page.index('class="rest"')]
    assert "can’t tell yet" in own
    assert "Not measured: a few labelled images a class." in own
    assert "all 4" in own
    assert NASTY not in own
    assert "&lt;b&gt;ViT" in own
