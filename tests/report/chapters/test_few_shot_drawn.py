"""Few labels on the page: every number is a cell, bounds are words."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from visavis.report.chapters.few_shot import in_shots
from visavis.report.page import render

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
    tables = make(n_classes=30)
    entry = {"few_shot": {"headline": "few labels <b>", "tables": list(TABLES)}}
    page = render(replace(tables, protocol={**tables.protocol, "chapters": entry}, chapters=TABLES))
    start = page.index('id="few_shot"')
    return page[start : page.index("</section>", start)]


def test_every_number_is_a_cell(section):
    shown = {float(value) for value in re.findall(r'<data value="([^"]+)"', section)}
    assert shown <= {value for table in TABLES.values() for value in table.select_dtypes("number").to_numpy().ravel()}
    assert {2.345, 0.0, math.inf, 0.4321} <= shown
    assert "few labels &lt;b&gt;" in section


def test_a_crossing_beyond_what_was_tried_is_said_in_words(section):
    assert [in_shots(value, 1, 4) for value in (0.0, 2.345, math.inf)] == ["under 1", "2.3", "over 4"]
    assert re.search(r">2\.3</data> .*>under 1</data>, .*>over 4</data>\]", section)
    assert "shots 4: 50.0% [20.0%, 61.0%]" in section
