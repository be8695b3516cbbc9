"""Prompts on the page: every number is a cell, every template is text, long lists are cut."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from visavis.report.page import render

NAME = "RN-mini.emoji"
PROMPTS = pd.DataFrame(
    [
        (NAME, f"<i>number {place}</i> {{}}", 0.5 - place / 100, 0.1, 0.6, -place / 90, -0.2, 0.1, 678)
        for place in range(11)
    ]
    + [(NAME, "", 0.55, 0.5, 0.6, math.nan, math.nan, math.nan, 678)],
    columns=[
        "model", "template", "value", "low", "high", "difference", "difference_low", "difference_high", "n",
    ],
)  # fmt: skip
NAMES = pd.DataFrame(
    [(NAME, f"<b>a{place}", "b", 0.99 - place / 100, place, 40) for place in range(7)],
    columns=["model", "class_a", "class_b", "cosine", "mixed_up", "n"],
)
TABLES = {"prompts": PROMPTS, "names": NAMES}


@pytest.fixture(scope="module")
def section(make):
    tables = make(n_classes=30)
    entry = {"prompts": {"headline": "prompts <b>", "tables": list(TABLES)}}
    page = render(replace(tables, protocol={**tables.protocol, "chapters": entry}, chapters=TABLES))
    start = page.index('id="prompts"')
    return page[start : page.index("</section>", start)]


def test_every_number_is_a_cell(section):
    shown = {float(value) for value in re.findall(r'<data value="([^"]+)"', section)}
    assert shown <= {value for table in TABLES.values() for value in table.select_dtypes("number").to_numpy().ravel()}
    assert {0.55, 0.5, 0.4} <= shown


def test_the_best_and_the_worst_stand_and_the_rest_is_counted(section):
    places = [int(place) for place in re.findall(r"&lt;i&gt;number (\d+)", section)]
    assert places == [0, 1, 2, 3, 7, 8, 9, 10]
    assert "3 prompts between" in section
    assert [int(place) for place in re.findall(r"&lt;b&gt;a(\d)", section)] == [0, 1, 2, 3, 4]
