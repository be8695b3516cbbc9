"""Several classes on the page: every number is a cell, the best model stands first, names are text."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

MODELS = ["RN-mini.emoji", "<b>ViT</b>"]
TABLES = {
    "multi_label": pd.DataFrame(
        [
            ("any_label", MODELS[0], "map", 0.41, 0.31, 0.59, 300, 2),
            ("any_label", MODELS[1], "map", 0.52, 0.45, 0.6, 300, 2),
        ],
        columns=["measure", "model", "metric", "value", "low", "high", "n", "classes"],
    ),
    "multi_label_classes": pd.DataFrame(
        [
            ("any_label", model, name, value, 33)
            for model in MODELS
            for name, value in (("<i>cat</i>", 0.37), ("dog", 0.67))
        ],
        columns=["measure", "model", "class", "value", "images"],
    ),
    "multi_label_pairs": pd.DataFrame(
        [("any_label", MODELS[0], MODELS[1], -0.11, -0.18, -0.04, 300, 0.012, 0.024)],
        columns=["measure", "model_a", "model_b", "difference", "low", "high", "n", "p_value", "p_adjusted"],
    ),
}


@pytest.fixture(scope="module")
def section(make):
    return draw_section(make, "multi_label", TABLES, models=MODELS)


def test_every_number_is_a_cell(section):
    assert {0.41, 0.52, 300.0, 33.0, 0.37, -0.11, 0.024} <= numbers_in(section) <= cells_of(TABLES)


def test_the_best_stands_first_and_names_are_text(section):
    first_table = section[section.index("<tbody>") : section.index("</tbody>")]
    assert first_table.index("ViT") < first_table.index("RN-mini")
    assert section.index("dog") < section.index("cat&lt;")
    assert "<b>ViT" not in section
    assert "<i>cat" not in section
