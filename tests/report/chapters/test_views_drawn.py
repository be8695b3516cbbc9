"""Levels and invariance on the page: every number is a cell, names are text, kinds that are absent leave no gap."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_section, numbers_in

MODELS = ["resnet-mini.emoji", "RN-mini.emoji", "<b>ViT</b>"]
ENDS = ["value", "low", "high", "n"]
PAIR = ["model_a", "model_b", "difference", "low", "high", "n", "p_value", "p_adjusted"]
NAN = float("nan")
LEVELS = {
    "levels": pd.DataFrame(
        [("naming", kind, level, model, 0.61 - place / 30, 0.2, 0.8, 678)
         for kind, level in (("patch_shuffle", 1), ("patch_shuffle", 4), ("low_pass", 8), ("edges", NAN))
         for place, model in enumerate(MODELS)],
        columns=["measure", "kind", "level", "model", *ENDS],
    ),
    "levels_kept": pd.DataFrame(
        [(measure, kind, model, 0.71 - place / 7, 0.1, 0.9, 678) for measure in ("naming", "knn")
         for kind in ("patch_shuffle", "low_pass", "outline") for place, model in enumerate(MODELS)],
        columns=["measure", "kind", "model", *ENDS],
    ),
    "levels_pairs": pd.DataFrame(
        [("naming", "patch_shuffle", MODELS[0], MODELS[2], 0.12, 0.05, 0.19, 678, 0.0001, 0.0003),
         ("naming", "outline", MODELS[1], MODELS[2], 0.0123, -0.05, 0.07, 678, 0.7, 0.77)],
        columns=["measure", "kind", *PAIR],
    ),
}  # fmt: skip
INVARIANCE = {
    "invariance": pd.DataFrame(
        [("naming", view, model, 0.5, 0.4, 0.6, 678, -0.031 - place / 90, -0.07, 0.01)
         for view in ("mirror", "hue:90") for place, model in enumerate(MODELS[:2])],
        columns=["measure", "view", "model", *ENDS, "change", "change_low", "change_high"],
    ),
    "invariance_similarity": pd.DataFrame(
        [(view, model, 0.91, 0.9, 0.92, 0.44 + place / 90, 0.83, 0.8, 0.86, 678)
         for view in ("mirror", "hue:90") for place, model in enumerate(MODELS)],
        columns=["view", "model", "cosine", "low", "high", "others", "kept", "kept_low", "kept_high", "n"],
    ),
}  # fmt: skip
SHIFT = {
    "shift": pd.DataFrame(
        [(group, model, 0.81, 0.76, 0.86, 0.63 - place / 90, 0.58, 0.69, -0.19, -0.23, -0.13, 240 if group else 480)
         for group in ("<i>site</i>", "site 2", "") for place, model in enumerate(MODELS)],
        columns=["group", "model", "within", "within_low", "within_high", "across", "across_low", "across_high",
                 "difference", "low", "high", "n"],
    ),
}  # fmt: skip


def section(make, name: str, tables: dict[str, pd.DataFrame]) -> str:
    return draw_section(make, name, tables, models=MODELS)


@pytest.mark.parametrize(("name", "tables"), [("levels", LEVELS), ("invariance", INVARIANCE), ("shift", SHIFT)])
def test_every_number_is_a_cell(make, name, tables):
    own = section(make, name, tables)
    shown = numbers_in(own)
    assert shown <= cells_of(tables)
    assert len(shown) > 8
    assert "<b>ViT" not in own


def test_only_kinds_with_two_levels_are_figures_and_only_proven_pairs_are_rows(make):
    own = section(make, "levels", LEVELS)
    assert own.count('<svg class="field lines"') == 1
    assert own.count('<data value="0.12">') == 1
    assert "0.0123" not in own
    assert "covered" not in own


def test_no_pair_is_proven(make):
    tables = {**LEVELS, "levels_pairs": LEVELS["levels_pairs"].tail(1)}
    assert "No two models can be told apart" in section(make, "levels", tables)


def test_models_that_decide_nothing_are_only_in_the_similarities(make):
    own = section(make, "invariance", INVARIANCE)
    assert own.count("&lt;b&gt;ViT") == 2  # a column, and its mean cosine


def test_all_groups_together_come_last(make):
    own = section(make, "shift", SHIFT)
    assert "&lt;i&gt;site&lt;/i&gt;" in own
    assert own.index("site 2") < own.index("All groups")
