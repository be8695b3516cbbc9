"""Search on the page: every number is a cell, the best model stands first, names are text."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

MODELS = ["resnet-mini.emoji", "<b>ViT</b>"]
METRICS = ("recall@1", "recall@5", "recall@10", "map", "median_rank")
TABLE = pd.DataFrame(
    [
        (direction, model, metric, *values, n, gallery)
        for direction, n, gallery in (("text_to_image", 900, 300), ("image_to_text", 300, 900))
        for model, first in zip(MODELS, (0.41, 0.52), strict=True)
        for metric, values in zip(
            METRICS,
            ((first, 0.31, 0.59), (0.61, 0.6, 0.62), (0.71, 0.7, 0.72), (0.51, 0.5, 0.53), (3.0, 2.0, 4.0)),
            strict=True,
        )
    ],
    columns=["direction", "model", "metric", "value", "low", "high", "n", "gallery"],
)
PAIRS = pd.DataFrame(
    [("text_to_image", MODELS[1], MODELS[0], 0.11, 0.04, 0.18, 900, 0.0123, 0.0246, f"{MODELS[1]} better")],
    columns=["direction", "model_a", "model_b", "difference", "low", "high", "n", "p_value", "p_adjusted", "verdict"],
)
CUT = pd.DataFrame([(MODELS[1], "3 of 900 texts are longer than <24> tokens.")], columns=["model", "note"])
TABLES = {"retrieval": TABLE, "retrieval_pairs": PAIRS, "retrieval_cut": CUT}


@pytest.fixture(scope="module")
def section(make):
    return draw_section(make, "retrieval", TABLES, models=MODELS)


def test_every_number_is_a_cell(section):
    assert {0.41, 0.52, 3.0, 900.0, 300.0, 0.11, 0.0246} <= numbers_in(section) <= cells_of(TABLES)


def test_the_best_stands_first_and_names_are_text(section):
    first_table = section[section.index("<tbody>") : section.index("</tbody>")]
    assert first_table.index("ViT") < first_table.index("resnet-mini")
    assert "<b>ViT" not in section
    assert "Texts that find their image" in section
    assert "3 of 900 texts are longer than &lt;24&gt; tokens." in section
    assert ">2</data>, " in section  # ranks are counts, not shares
