"""Kinds of models in words, inside the square of architecture and training signal and outside."""

from __future__ import annotations

from importlib.metadata import version
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from visavis.engine.load import load
from visavis.evaluate.scores import NotMeasurable
from visavis.study.effects import SIGNS, factorial_effects
from visavis.study.measures import by_classifier, by_zero_shot
from visavis.study.protocol import describe_model, factors_of
from visavis.zoo.architectures import Family

SQUARE = {
    "resnet": "supervised-resnet",
    "vit": "supervised-vit",
    "RN": "clip-resnet",
    "ViT": "clip-vit",
}
RANKS = {"resnet": "1111", "vit": "1222", "RN": "1112", "ViT": "2211"}


def encoders(families: dict[str, str]) -> list[SimpleNamespace]:
    return [SimpleNamespace(name=name, family=family) for name, family in families.items()]


def test_factors():
    assert set(factors_of(encoders(SQUARE)).values()) == set(SIGNS)
    others = {family: family for family in get_args(Family) if family not in SQUARE.values()}
    assert factors_of(encoders(others)) == {
        "supervised-other": ("another architecture", "labels"),
        "clip-other": ("another architecture", "language"),
        "other-resnet": ("ResNet", "an unstated signal"),
        "other-vit": ("ViT", "an unstated signal"),
        "other-other": ("another architecture", "an unstated signal"),
    }


def test_models_outside_the_square_change_no_effect(table):
    alone = factorial_effects(table(RANKS), factors_of(encoders(SQUARE)), draws=100)
    families = {**SQUARE, "convnext": "supervised-other", "CLIP-ConvNeXt": "clip-other", "DINO": "other-vit"}
    ranks = {**RANKS, "convnext": "2222", "CLIP-ConvNeXt": "1111", "DINO": "2121"}
    beside = factorial_effects(table(ranks), factors_of(encoders(families)), draws=100)
    assert len(alone) == 3
    assert beside.equals(alone)


def test_models_outside_do_not_fill_a_corner(table):
    families = {**SQUARE, "RN": "clip-other"}
    assert factorial_effects(table(RANKS), factors_of(encoders(families)), draws=100).empty


@pytest.mark.parametrize(("name", "told"), [("ViT-mini-8.emoji", False), ("ViT-mini-8.emoji@96", True)])
def test_resized_positions_are_told(name, told):
    costs = pd.DataFrame({"model": name, "metric": ["params", "macs"], "value": [1.0, 1.0]})
    said = describe_model(load(name), costs)["preprocessing"]
    assert ("position embeddings resampled from 8 x 8 to 12 x 12 places" in said) == told


def test_each_model_names_the_engines_that_computed_its_vectors():
    pixels = np.zeros((16, 16, 3), np.uint8)
    costs = pd.DataFrame({"model": "ViT-mini-8.emoji", "metric": ["params", "macs"], "value": [1.0, 1.0]})
    said = {}
    for engine in ("torch", "torch-bf16", "auto"):
        encoder = load("ViT-mini-8.emoji", engine=engine)
        encoder.encode_images([pixels])
        said[engine] = describe_model(encoder, costs)
    torch = f"torch-{version('torch').partition('+')[0]}"
    assert {engine: facts["engine"] for engine, facts in said.items()} == {
        "torch": f"{torch}-float32", "torch-bf16": f"{torch}-bfloat16", "auto": f"{torch}-float32",
    }  # fmt: skip
    assert said["torch"]["engine_said"] == "as asked"
    assert said["auto"]["engine_said"] == "so few images are done before another engine is ready"


@pytest.mark.parametrize(
    ("family", "zero_shot", "classifier"),
    [
        ("supervised-other", "m has no text tower: it was trained on labels.", "m has no classifier of its own."),
        ("clip-vit", "m has no text tower.", "m has no classifier of its own: it was trained on language."),
        ("other-vit", "m has no text tower.", "m has no classifier of its own."),
    ],
)
def test_why_a_measure_cannot_be_taken(family, zero_shot, classifier):
    model = SimpleNamespace(name="m", family=family, logit_scale=None, head=None, class_names=None)
    for measure, words in ((by_zero_shot, zero_shot), (by_classifier, classifier)):
        with pytest.raises(NotMeasurable) as caught:
            measure(SimpleNamespace(encoder=model))
        assert str(caught.value) == words


def test_a_classifier_whose_classes_are_not_known():
    model = SimpleNamespace(name="m", family="supervised-vit", head=object(), class_names=None)
    with pytest.raises(NotMeasurable, match="The weights of m do not say what its classifier tells apart"):
        by_classifier(SimpleNamespace(encoder=model))
