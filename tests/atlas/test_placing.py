"""The user's own studies on the atlas: what is placed, and why the rest is not."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from visavis.atlas.page import analyse, write_atlas
from visavis.atlas.placing import place_studies
from visavis.atlas.record import BASELINE
from visavis.errors import UsageError
from visavis.zoo.opening import imagenet_names

MODELS = (
    ("resnet50.tv_in1k", "ResNet", "labels", "classifier", 0.76),
    ("ViT-B-32.openai", "ViT", "language", "zero_shot", 0.63),
    ("mine", "ViT", "labels", "knn", 0.5),
)


def write_study(folder, labels, n_classes, view="clean"):
    folder.mkdir()
    results = pd.DataFrame(
        [
            {"model": name, "view": view, "measure": measure, "metric": "accuracy", "value": value, "low": value - 0.02,
             "high": value + 0.02, "n": 2000}
            for name, _, _, measure, value in MODELS
        ]
    )  # fmt: skip
    results.to_csv(folder / "results.csv", index=False)
    pd.DataFrame({"label": labels}).to_parquet(folder / "predictions.parquet")
    pd.DataFrame({"sample": []}).to_parquet(folder / "thumbnails.parquet")
    for name in ("pairs.csv", "effects.csv"):
        pd.DataFrame({"view": []}).to_csv(folder / name, index=False)
    described = [
        {"name": name, "architecture": built, "training": training, "params": 25_600_000, "macs": 4_100_000_000}
        for name, built, training, _, _ in MODELS
    ]
    protocol = {"models": described, "data": {"classes": n_classes}}
    (folder / "study.json").write_text(json.dumps(protocol), "utf-8")
    return folder


@pytest.fixture(scope="module")
def published():
    return analyse().models


def test_a_study_of_imagenets_classes(tmp_path, published):
    placed = place_studies([write_study(tmp_path / "own", imagenet_names()[:50], 1000)], published)
    table = placed.models.set_index("model")
    assert list(table.index) == ["resnet50.tv_in1k", "ViT-B-32.openai"]
    assert table.loc["resnet50.tv_in1k", BASELINE] == 0.76
    assert table.loc["resnet50.tv_in1k", "training"] == "ImageNet alone"
    assert table.loc["resnet50.tv_in1k", "published"] == pytest.approx(0.7613, abs=1e-3)
    assert table.loc["resnet50.tv_in1k", "gmacs"] == 4.1
    assert pd.isna(table.loc["ViT-B-32.openai", "gmacs"])  # the record counts both towers
    assert placed.left_out == ((f"{tmp_path / 'own'}: mine", "It named no classes: no classifier, no text tower."),)


@pytest.mark.parametrize(
    ("labels", "n_classes", "view", "said"),
    [
        (("cat", "dog"), 2, "clean", "this study has 2 classes of its own"),
        (("cat", "dog"), 1000, "clean", "of another task"),
        (imagenet_names()[:5], 1000, "fog:3", "no view clean"),
    ],
)
def test_other_protocols(tmp_path, published, labels, n_classes, view, said):
    placed = place_studies([write_study(tmp_path / "own", labels, n_classes, view)], published)
    assert placed.models.empty
    assert said in placed.left_out[0][1]


def test_by_the_command(visavis, tmp_path):
    good = write_study(tmp_path / "good", imagenet_names()[:50], 1000)
    bad = write_study(tmp_path / "bad", ("cat", "dog"), 2)
    called = visavis("atlas", "--study", good, "--study", bad, "--out", tmp_path / "page")
    assert called.code == 0, called.err
    page = (tmp_path / "page" / "atlas.html").read_text("utf-8")
    record = json.loads(re.search(r'<script type="application/json" id="record">(.*?)</script>', page, re.S)[1])
    assert "resnet50.tv_in1k, measured by you" in record["highlighted"]
    assert [model[0] for model in record["models"][-2:]] == [
        "resnet50.tv_in1k, measured by you", "ViT-B-32.openai, measured by you",
    ]  # fmt: skip
    own = page[page.index('id="own"') : page.index('id="shifts"')]
    assert '<data value="0.76">76.0</data>' in own
    assert "2 classes of its own" in own


def test_no_study(tmp_path):
    with pytest.raises(UsageError, match="holds no study"):
        write_atlas(tmp_path / "page", [tmp_path])


def test_without_studies_the_page_has_no_such_part(tmp_path):
    assert 'id="own"' not in write_atlas(tmp_path).read_text("utf-8")
