"""Tuning as measures: what they start from, what they need, and that one training serves two of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny_encoders import make_encoder
from visavis.evaluate.scores import NotMeasurable, softmax
from visavis.study import tuning
from visavis.study.estimate import Estimate
from visavis.study.evidence import Evidence, Pictures
from visavis.study.measures import MEASURES
from visavis.train.fine_tuning import FineTuning

TRUTH = np.arange(40) % 2


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(tuning, "WHOLE", FineTuning(learning_rates=(1e-2,), epochs=8, batch_size=8))
    monkeypatch.setattr(tuning, "LOW_RANK", FineTuning(learning_rates=(1e-2,), epochs=8, batch_size=8, rank=2))


def evidence_of(family: str) -> Evidence:
    encoder = make_encoder(family)
    noise = np.random.default_rng(0).integers(0, 120, (40, 32, 32, 3))
    noise[TRUTH == 0, ..., 0] += 80
    noise[TRUTH == 1, ..., 2] += 80
    pixels = noise.astype(np.uint8)
    features = encoder.feature_network.encode(torch.stack([encoder.preprocess(image) for image in pixels])).numpy()
    return Evidence(
        encoder=encoder, classes=("a", "b"), prompt_names=("red", "blue"), templates=("a {}",),
        train_features=features, train_labels=tuple("ab"[one] for one in TRUTH), test_features=features[::2], seed=0,
        pictures=Pictures(
            train=lambda: iter([pixels[:20], pixels[20:]]), test=lambda: iter([pixels[::2]]),
            progress=lambda stage, done, total: None,
        ),
    )  # fmt: skip


@pytest.mark.parametrize("family", ["supervised-resnet", "supervised-vit"])
@pytest.mark.parametrize("measure", ["fine_tuning", "lora"])
def test_models_of_labels_are_tuned_from_their_probe(family, measure):
    found = MEASURES[measure](evidence_of(family))
    assert found.probabilities.shape == (20, 2)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (found.probabilities.argmax(axis=1) == TRUTH[::2]).all()
    assert found.chosen["learning_rate"] == 1e-2


def test_wise_ft_uses_the_network_that_was_fine_tuned(monkeypatch):
    trained: list[object] = []
    original = tuning.fine_tune
    monkeypatch.setattr(tuning, "fine_tune", lambda *given: trained.append(given) or original(*given))
    evidence = evidence_of("clip-vit")
    tuned, averaged = MEASURES["fine_tuning"](evidence), MEASURES["wise_ft"](evidence)
    assert len(trained) == 1
    assert averaged.chosen["share"] == 0.5
    assert abs(averaged.probabilities - tuned.probabilities).max() > 1e-4


def test_a_clip_starts_from_its_zero_shot_classifier(monkeypatch):
    monkeypatch.setattr(tuning, "WHOLE", FineTuning(learning_rates=(1e-12,), epochs=1, batch_size=8))
    evidence = evidence_of("clip-resnet")
    encoder = evidence.encoder
    classifier = encoder.zero_shot_classifier(evidence.prompt_names, evidence.templates)
    unit = evidence.test / np.linalg.norm(evidence.test, axis=1, keepdims=True)
    expected = softmax(encoder.logit_scale * unit @ classifier.T)
    np.testing.assert_allclose(MEASURES["fine_tuning"](evidence).probabilities, expected, atol=1e-4)


def test_what_cannot_be_tuned():
    with pytest.raises(NotMeasurable, match="no zero-shot classifier"):
        MEASURES["wise_ft"](evidence_of("supervised-vit"))
    few = evidence_of("supervised-vit")
    few = replace(few, train_labels=few.train_labels[:3], train_features=few.train_features[:3])
    with pytest.raises(NotMeasurable, match="needs 8 training images at least, and there are 3"):
        MEASURES["fine_tuning"](few)


def test_the_time_is_told_first():
    assert tuning.seconds_to_tune(make_encoder("clip-vit"), 1000, 3, {"fine_tuning", "wise_ft"}) > 0
    assert tuning.seconds_to_tune(make_encoder("clip-vit"), 1000, 3, {"knn"}) == 0
    said = Estimate(missing=0, kept=9, seconds=0.0, tuning=600.0).in_words()
    assert said.endswith("Training takes about 10 min more.")
