"""The square of architecture and training: four samples by hand, symmetries, corners that are missing."""

from __future__ import annotations

import pandas as pd
import pytest

from visavis.study.effects import EFFECT_COLUMNS, factorial_effects

FACTORS = {
    "resnet": ("ResNet", "labels"),
    "vit": ("ViT", "labels"),
    "RN": ("ResNet", "language"),
    "ViT": ("ViT", "language"),
}


def effects(predictions: pd.DataFrame, factors: dict[str, tuple[str, str]] | None = None) -> dict[str, pd.Series]:
    found = factorial_effects(predictions, factors or FACTORS, draws=200)
    return {row["effect"]: row for _, row in found.iterrows()}


def test_four_samples_by_hand(table):
    # resnet 4/4, vit 1/4, RN 3/4, ViT 2/4:
    # architecture (1/4 + 2/4) / 2 - (4/4 + 3/4) / 2 = -1/2; training (3/4 + 2/4) / 2 - (4/4 + 1/4) / 2 = 0;
    # interaction (2/4 - 1/4) - (3/4 - 4/4) = 1/2
    found = effects(table({"resnet": "1111", "vit": "1222", "RN": "1112", "ViT": "2211"}))
    assert [found[name]["difference"] for name in ("architecture", "training", "interaction")] == [-0.5, 0.0, 0.5]
    assert all(row["n"] == 4 and row["low"] < row["difference"] < row["high"] for row in found.values())
    assert found["interaction"]["high"] <= 2
    assert found["architecture"]["low"] >= -1


def test_interval_by_hand(table):
    # 400 images; ViTs alone are wrong on 100 of them, all else right: architecture is 0 or -1 on an image, so the
    # interval is -0.25 -+ 1.96 sqrt(0.25 * 0.75 / 400) = -0.25 -+ 0.0424; training and interaction show nothing
    found = effects(
        table({"resnet": "1" * 400, "RN": "1" * 400, "vit": "2" * 100 + "1" * 300, "ViT": "2" * 100 + "1" * 300})
    )
    architecture = found["architecture"]
    assert (architecture["low"], architecture["high"]) == pytest.approx((-0.2924, -0.2076), abs=0.01)
    assert found["training"]["low"] < 0 < found["training"]["high"]
    assert found["interaction"]["low"] < 0 < found["interaction"]["high"]


def test_exchanging_the_trainings_flips_training_and_interaction(table):
    predictions = table({"resnet": "1112" * 9, "vit": "1221" * 9, "RN": "2112" * 9, "ViT": "2222" * 9})
    other = {model: (built, {"labels": "language", "language": "labels"}[by]) for model, (built, by) in FACTORS.items()}
    before, after = effects(predictions), effects(predictions, other)
    assert after["architecture"]["difference"] == before["architecture"]["difference"]
    for name in ("training", "interaction"):
        assert after[name]["difference"] == -before[name]["difference"]
        assert (after[name]["low"], after[name]["high"]) == pytest.approx((-before[name]["high"], -before[name]["low"]))


def test_models_that_share_a_corner_count_as_their_mean(table):
    # ViT corner: (4/4 + 2/4) / 2 = 3/4; architecture (0 + 3/4) / 2 - 0 = 3/8
    ranks = {"resnet": "2222", "vit": "2222", "RN": "2222", "ViT": "1111", "ViT large": "1212"}
    found = effects(table(ranks), {**FACTORS, "ViT large": ("ViT", "language")})
    assert found["architecture"]["difference"] == 3 / 8


def test_only_images_that_all_were_asked(table):
    found = effects(table({"resnet": "1111.", "vit": "2222.", "RN": "11.11", "ViT": "22221"}))
    assert found["architecture"]["n"] == 3
    assert found["architecture"]["difference"] == -1


@pytest.mark.parametrize("missing", list(FACTORS))
def test_no_effects_without_a_corner(table, missing):
    found = factorial_effects(table({model: "1122" for model in FACTORS if model != missing}), FACTORS)
    assert found.empty
    assert tuple(found) == EFFECT_COLUMNS


def test_no_effects_without_an_image_for_all(table):
    assert factorial_effects(table({"resnet": "1.", "vit": "1.", "RN": ".1", "ViT": "11"}), FACTORS).empty


def test_each_view_and_measure_by_itself(table):
    ranks = dict.fromkeys(FACTORS, "1212")
    halves = {model: "1212" for model in ("RN", "ViT")}
    predictions = pd.concat([table(ranks), table(ranks, view="blur"), table(halves, measure="zero_shot")])
    found = factorial_effects(predictions, FACTORS, draws=50)
    assert list(zip(found["view"], found["measure"], found["effect"], strict=True)) == [
        (view, "knn", effect) for view in ("clean", "blur") for effect in ("architecture", "training", "interaction")
    ]
