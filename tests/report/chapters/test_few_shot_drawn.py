"""Few labels on the page: every number is a cell, bounds are words."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

from visavis.report.chapters.few_shot import in_shots

NAMES = ("resnet-mini.emoji", "RN-mini.emoji")
CURVES = pd.DataFrame(
    [
        (name, shots, 30 * shots, 10, 0.3 + 0.05 * shots, 0.2, 0.61, 0.28 + 0.05 * shots, 0.31 + 0.05 * shots, 678)
        for name in NAMES
        for shots in (1, 2, 4)
    ],
    columns=["model", "shots", "images", "draws", "value", "low", "high", "draw_low", "draw_high", "n"],
)
WORTH = pd.DataFrame(
    [(NAMES[0], 0.4321, 2.345, 0.0, math.inf, 1, 4, 678)],
    columns=["model", "naming", "shots", "low", "high", "least", "most", "n"],
)
TABLES = {"few_shot": CURVES, "few_shot_worth": WORTH}


@pytest.fixture(scope="module")
def section(make):
    return draw_section(make, "few_shot", TABLES)


def test_every_number_is_a_cell(section):
    assert {2.345, 0.0, math.inf, 0.4321} <= numbers_in(section) <= cells_of(TABLES)


def test_a_crossing_beyond_what_was_tried_is_said_in_words(section):
    assert [in_shots(value, 1, 4) for value in (0.0, 2.345, math.inf)] == ["under 1", "2.3", "over 4"]
    assert re.search(r">2\.3</data> .*>under 1</data>, .*>over 4</data>\]", section)
    assert "shots 4: 50.0% [20.0%, 61.0%]" in section
