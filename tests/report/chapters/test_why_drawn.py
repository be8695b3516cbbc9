"""Why models differ, on the page: every number is a cell, the surest trait first, names and classes are text."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

MODELS = ["resnet-mini.emoji", "RN-mini.emoji", "<b>ViT</b>"]
WHY = pd.DataFrame(
    [
        (MODELS[0], other, trait, change, change - 0.1, change + 0.1, 678, p_value, p_value)
        for other, values in ((MODELS[1], (0.021, 0.5)), (MODELS[2], (-0.153, 0.0123)))
        for trait, change, p_value in (("sharpness", *values), ("texture", 0.034, 0.9))
    ],
    columns=["model_a", "model_b", "trait", "change", "low", "high", "n", "p_value", "p_adjusted"],
)
PARTS = pd.DataFrame(
    [
        (MODELS[0], MODELS[2], trait, part, 0.1, 0.2, 0.61, 0.52, 0.09, 0.01, 0.17, 226, 0.03, 0.04)
        for trait, part in (
            ("sharpness", "lowest"), ("sharpness", "middle"), ("sharpness", "highest"), ("class", "<i>cat</i>"),
        )
    ],
    columns=[
        "model_a", "model_b", "trait", "part", "least", "most", "a", "b", "difference", "low", "high", "n", "p_value",
        "p_adjusted",
    ],
)  # fmt: skip
PICTURES = pd.DataFrame(
    [("sharpness", "lowest", 0, "no such sample", 0.1)], columns=["trait", "end", "place", "sample", "value"]
)
TABLES = {"why": WHY, "why_parts": PARTS, "why_pictures": PICTURES}


@pytest.fixture(scope="module")
def section(make):
    return draw_section(make, "why", TABLES, models=MODELS)


def test_every_number_is_a_cell(section):
    assert {0.021, -0.153, 0.0123, 0.09, 226.0} <= numbers_in(section) <= cells_of(TABLES)


def test_the_surest_trait_is_drawn_and_stands_first(section):
    assert "by sharpness, the trait that tells most" in section
    assert "third 1: 61.0%" in section
    rows = section[section.index("<tbody>") :]
    assert rows.index("Sharpness") < rows.index("Texture")


def test_a_trait_with_two_values_has_parts_and_no_thirds(make):
    two = PARTS[PARTS["part"] != "middle"]
    section = draw_section(make, "why", {**TABLES, "why_parts": two}, models=MODELS)
    assert "on parts of the test images by sharpness" in section
    assert "part 2: 61.0%" in section
    assert "third 1" not in section


def test_names_are_text(section):
    assert "<b>ViT" not in section
    assert "<i>cat" not in section
    assert "&lt;i&gt;cat" in section
