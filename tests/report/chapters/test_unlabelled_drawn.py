"""The chapters of images without labels on the page: every number is a cell, names are text."""

from __future__ import annotations

import pandas as pd
from made_section import cells_of, draw_section, numbers_in

MODELS = ["RN-mini.emoji", "<b>ViT</b>"]
GIVEN = {
    "given_classes": pd.DataFrame(
        [
            ("s1", "<i>1</i>.png", model, name, sure, True)
            for model, name, sure in zip(MODELS, "ab", (0.7, 0.6), strict=True)
        ],
        columns=["sample", "name", "model", "predicted", "confidence", "disputed"],
    ),
    "given_classes_shares": pd.DataFrame(
        [
            (model, name, value, value - 0.1, value + 0.1, 40)
            for model, values in zip(MODELS, ((0.3, 0.7), (0.4, 0.6)), strict=True)
            for name, value in zip(("<i>cat</i>", "dog"), values, strict=True)
        ],
        columns=["model", "class", "value", "low", "high", "n"],
    ),
    "given_classes_pairs": pd.DataFrame(
        [(*MODELS, 0.25, 0.15, 0.45, 40)], columns=["model_a", "model_b", "value", "low", "high", "n"]
    ),
}
NEIGHBOURS = {
    "neighbours": pd.DataFrame(
        [(*MODELS, 0.32, 0.22, 0.52, 40, 0.12, 0.35)],
        columns=["model_a", "model_b", "value", "low", "high", "n", "chance", "clusters_alike"],
    ),
    "clusters": pd.DataFrame(
        [(model, cluster, images) for model in MODELS for cluster, images in ((1, 25), (2, 15))],
        columns=["model", "cluster", "images"],
    ),
    "clusters_shown": pd.DataFrame([(MODELS[0], 1, "s1")], columns=["model", "cluster", "sample"]),
}


def test_the_given_classes(make):
    section = draw_section(make, "given_classes", GIVEN, models=MODELS)
    assert {0.25, 0.15, 0.7, 0.4} <= numbers_in(section)
    assert numbers_in(section) <= cells_of(GIVEN) | {1.0}
    assert section.index("dog") < section.index("cat&lt;")  # the first model's larger share stands first
    assert "<i>cat" not in section


def test_neighbours_and_clusters(make):
    section = draw_section(make, "neighbours", NEIGHBOURS, models=MODELS)
    assert {0.32, 0.12, 0.35, 25.0, 15.0} <= numbers_in(section) <= cells_of(NEIGHBOURS)
    assert "Clusters of &lt;b&gt;ViT" in section
    assert "<b>ViT" not in section
