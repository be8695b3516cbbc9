"""The terms of a comparison: sizes, crops and prompts for all models, stated, and what the verdict owes to them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from visavis import compare, load
from visavis.data.read import read_dataset
from visavis.errors import UsageError
from visavis.study.chapters import sensitivity
from visavis.zoo.preprocess import Preprocess

MODELS = ["RN-mini.emoji", "ViT-mini-8.emoji"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Sixty pictures, wider than high."""
    folder = tmp_path_factory.mktemp("terms")
    samples = [sample for sample in read_dataset("emoji").samples if sample.part == "test"][:60]
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "part"))
        for sample in samples:
            (folder / f"{sample.id}.webp").write_bytes(sample.read_bytes())
            with Image.open(folder / f"{sample.id}.webp") as picture:
                picture.convert("RGB").resize((90, 60)).save(folder / f"{sample.id}.png")
            writer.writerow((f"{sample.id}.png", sample.label, "test"))
    return folder / "table.csv"


@pytest.fixture(scope="module")
def study(table):
    return compare(MODELS, table, measures=["zero_shot", "sensitivity"])


def accuracy_of(study, model):
    rows = study.results[(study.results["metric"] == "accuracy") & (study.results["model"] == model)]
    return rows["value"].item()


def test_the_first_row_is_the_studys_own(study):
    row = study.chapters["sensitivity"].iloc[0]
    assert (row["choice"], row["same_best"]) == ("as chosen", 1)
    assert row["value"] == accuracy_of(study, row["best"])
    assert row["difference"] == pytest.approx(study.pairs["difference"].item())


@pytest.mark.parametrize(
    ("choice", "given"), [("crop: squash", {"crop": "squash"}), ("prompts: {}", {"templates": ["{}"]})]
)
def test_a_changed_choice_is_what_a_study_with_it_finds(study, table, choice, given):
    row = study.chapters["sensitivity"].set_index("choice").loc[choice]
    other = compare(MODELS, table, measures=["zero_shot"], **given)
    assert row["value"] == accuracy_of(other, row["best"])
    assert row["difference"] == pytest.approx(abs(accuracy_of(other, MODELS[0]) - accuracy_of(other, MODELS[1])))


def test_the_headline_counts(study):
    table = study.chapters["sensitivity"].iloc[1:]
    kept = f"under {table['same_best'].sum()} of {len(table)} other choices"
    assert kept in study.verdict


def test_the_terms_stand_in_the_protocol(table):
    study = compare(MODELS, table, measures=["zero_shot"], resolution=32, crop="squash")
    assert "--resolution 32 --crop squash" in study.protocol["command"]
    assert [model["image_size"] for model in study.protocol["models"]] == [32, 32]
    usual = compare(MODELS, table, measures=["zero_shot"])
    assert "--crop" not in usual.protocol["command"]
    assert "--resolution" not in usual.protocol["command"]


def test_another_crop_is_another_fingerprint():
    prints = {load(MODELS[0], crop=crop).fingerprint for crop in ("own", "squash")}
    assert len(prints) == 2


def test_what_each_crop_shows():
    """A picture twice as wide as high, whose halves are black and white, with a red stripe at its left end."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    pixels[:, :4] = (255, 0, 0)
    own = Preprocess(image_size=10, resize=12)
    seen = {crop: own.cropped(crop).pixels(Image.fromarray(pixels)).astype(int) for crop in ("own", "center", "squash")}
    assert np.array_equal(seen["own"], own.pixels(Image.fromarray(pixels)))
    assert seen["squash"][5, 0, 0] > 200  # the stripe
    assert seen["center"][5, 0].max() < 50  # cut away
    assert {image.shape for image in seen.values()} == {(10, 10, 3)}


def test_sizes_that_cannot_be(table):
    with pytest.raises(UsageError, match="cannot be used at 50 pixels"):
        compare(MODELS, table, resolution=50)
    with pytest.raises(UsageError, match="crop must be one of own, center, squash, not 'left'"):
        compare(MODELS, table, crop="left")


@pytest.mark.parametrize("models", [MODELS[:1], [MODELS[0], "resnet-mini.emoji"]])
def test_one_model_has_no_rival(table, models):
    """Also where another stands beside it that the leading measure cannot ask."""
    study = compare(models, table, measures=["zero_shot", "sensitivity"])
    assert "The leading measure has one model" in study.protocol["chapters"]["sensitivity"]["missing"]


def test_what_the_models_cannot_do_is_said(study, table, monkeypatch):
    """A network whose patches do not tile the other one's size."""
    monkeypatch.setattr(sensitivity, "_on_terms", lambda *given, **terms: load(MODELS[0], image_size=50))
    changed = compare(MODELS, table, measures=["zero_shot", "sensitivity"])
    lost = set(study.chapters["sensitivity"]["choice"]) - set(changed.chapters["sensitivity"]["choice"])
    assert lost == {"crop: squash"}
    headline = changed.protocol["chapters"]["sensitivity"]["headline"]
    assert "(not to be had with these models: crop: squash)" in headline
