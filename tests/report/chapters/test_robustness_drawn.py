"""Corruptions on the page: every number is a cell, names are text."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

MODELS = ["resnet-mini.emoji", "RN-mini.emoji", "<b>ViT</b>"]
ENDS = ["value", "low", "high", "n"]
KINDS = ("fog", "jpeg_compression", "mean")
TABLES = {
    "robustness": pd.DataFrame(
        [("naming", kind, severity, model, 0.3 + place / 50, 0.2, 0.6, 678)
         for kind in KINDS[:2] for severity in (1, 3) for place, model in enumerate(MODELS)],
        columns=["measure", "corruption", "severity", "model", *ENDS],
    ),
    "robustness_severity": pd.DataFrame(
        [("naming", severity, model, 0.7 - severity / 10, 0.2, 0.8, 678) for severity in (0, 1, 3) for model in MODELS],
        columns=["measure", "severity", "model", *ENDS],
    ),
    "corruption_error": pd.DataFrame(
        [(measure, kind, model, metric, 0.41 + place / 30 + number / 70, 0.39, 0.77, 678)
         for measure in ("naming", "knn") for kind in KINDS for place, model in enumerate(MODELS)
         for number, metric in enumerate(("error", "increase", "ce", "relative_ce"))],
        columns=["measure", "corruption", "model", "metric", *ENDS],
    ),
    "robustness_pairs": pd.DataFrame(
        [("naming", MODELS[0], MODELS[2], 0.043, 0.021, 0.064, 678, 0.0004, 0.0012)],
        columns=["measure", "model_a", "model_b", "difference", "low", "high", "n", "p_value", "p_adjusted"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def section(make):
    return draw_section(make, "robustness", TABLES, models=MODELS)


def test_every_number_is_a_cell(section):
    shown = numbers_in(section)
    assert shown <= cells_of(TABLES)
    assert len(shown) > 10


def test_names_are_text_and_all_is_there(section):
    assert "<b>ViT" not in section
    assert "jpeg compression" in section
    assert "averaged over severities 1 to 3" in section
    assert section.count('<svg class="field lines"') == 1
    assert "Nearest neighbours" in section
