"""Prompts on the page: every number is a cell, every template is text, long lists are cut."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

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
    return draw_section(make, "prompts", TABLES)


def test_every_number_is_a_cell(section):
    assert {0.55, 0.5, 0.4} <= numbers_in(section) <= cells_of(TABLES)


def test_the_best_and_the_worst_stand_and_the_rest_is_counted(section):
    places = [int(place) for place in re.findall(r"&lt;i&gt;number (\d+)", section)]
    assert places == [0, 1, 2, 3, 7, 8, 9, 10]
    assert "3 prompts between" in section
    assert [int(place) for place in re.findall(r"&lt;b&gt;a(\d)", section)] == [0, 1, 2, 3, 4]
