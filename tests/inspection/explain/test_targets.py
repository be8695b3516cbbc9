from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from visavis.errors import UsageError
from visavis.inspection.explain.target import check_answered, choose_targets, of_class, of_text


def features_of(encoder: Any, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, encoder.embed_dim, generator=torch.Generator().manual_seed(seed))


def test_a_texts_score_is_the_cosine(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("clip-vit")
    features = features_of(encoder)
    (text,) = encoder.encode_texts(["a dog"])
    cosine = float(features[0].numpy() @ text / (np.linalg.norm(features) * np.linalg.norm(text)))
    target = of_text(encoder, "a dog")
    assert float(target.score(features)) == pytest.approx(cosine, abs=1e-6)
    assert float(target.score(7 * features)) == pytest.approx(cosine, abs=1e-6)
    assert (target.name, target.unit, target.notes) == ('text "a dog"', "cosine", ())


def test_a_classs_score_is_its_logit_above_the_mean_of_all(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("resnet")
    weight, bias = encoder.head
    features = features_of(encoder)
    logits = features[0].numpy() @ weight.T + bias
    for number, name in enumerate(encoder.class_names):
        target = of_class(encoder, name)
        assert float(target.score(features)) == pytest.approx(logits[number] - logits.mean(), rel=1e-4, abs=1e-5)
        assert target.name == f"class {name}"


def test_classes_by_name_in_any_case_and_by_number(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("resnet")
    assert of_class(encoder, "CAT").name == "class cat"
    assert of_class(encoder, "0").name == "class plain"
    assert of_class(encoder, "7").name == "class 7"  # a name before a number
    nameless = encoder_of("vit", class_names=None)
    assert of_class(nameless, "3").name == "class 3"


@pytest.mark.parametrize("name", ["dog", "", "-1", "5", "²", "9" * 5000])
def test_an_unknown_class(encoder_of: Callable[..., Any], name: str) -> None:
    with pytest.raises(UsageError, match=r"'small resnet' has no class '.*' among its 5\. .*(Did you|Choose from)"):
        of_class(encoder_of("resnet"), name)


def test_an_unknown_class_has_its_nearest_names(encoder_of: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"Did you mean plain\?"):
        of_class(encoder_of("resnet"), "plane")
    with pytest.raises(UsageError, match=r"'plane' among its 5\. .*give a number below 5"):
        of_class(encoder_of("vit", class_names=None), "plane")


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_text(encoder_of: Callable[..., Any], text: str) -> None:
    with pytest.raises(UsageError, match=r"empty.*--text"):
        of_text(encoder_of("clip-vit"), text)


@pytest.mark.parametrize(
    ("words", "filled"),
    [(13, False), (14, True), (15, True), (99, True)],  # the context of 16 holds the start and end tokens too
)
def test_a_text_that_fills_the_context_is_told_of(encoder_of: Callable[..., Any], words: int, filled: bool) -> None:
    (said,) = of_text(encoder_of("clip-vit"), "a " * words).notes or ("",)
    assert said.startswith("The text fills all 16 tokens that 'small clip-vit' reads") == filled


def test_one_endless_word_is_told_of(encoder_of: Callable[..., Any]) -> None:
    assert of_text(encoder_of("clip-vit"), "qx" * 40).notes


def test_what_each_model_is_asked(encoder_of: Callable[..., Any]) -> None:
    clip, labels = encoder_of("clip-vit"), encoder_of("resnet")
    headless = encoder_of("vit")
    headless.head = None

    def asked(encoder: Any, texts: list[str], classes: list[str]) -> list[str]:
        return [target.name for target in choose_targets(encoder, features_of(encoder), texts, classes)]

    assert asked(clip, ["a dog", "a cat"], ["plain"]) == ['text "a dog"', 'text "a cat"']
    assert asked(labels, ["a dog"], ["cat", "plain"]) == ["class cat", "class plain"]
    for encoder in (clip, headless):
        assert asked(encoder, [], []) == asked(encoder, [], ["cat"]) == ["own embedding"]
    weight, bias = labels.head
    own = labels.class_names[int((features_of(labels)[0].numpy() @ weight.T + bias).argmax())]
    assert asked(labels, [], []) == asked(labels, ["a dog"], []) == [f"class {own}"]
    (target,) = choose_targets(labels, features_of(labels), [], [])
    assert target.notes == (f"No class was asked for: {own!r} is the model's own prediction.",)


def test_the_own_embeddings_score_is_its_length(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("clip-resnet")
    features = features_of(encoder)
    (target,) = choose_targets(encoder, features, [], [])
    assert float(target.score(features)) == pytest.approx(float(features.norm()), rel=1e-6)
    assert target.unit == "projection"


def test_a_question_that_no_model_can_be_asked() -> None:
    check_answered(["a dog"], ["cat"], {"cosine", "logit"})
    check_answered([], [], {"projection"})
    with pytest.raises(UsageError, match=r"No model here has a text tower.* 'a dog'.*--class"):
        check_answered(["a dog"], [], {"logit"})
    with pytest.raises(UsageError, match=r'No model here has classes.*--text "cat"'):
        check_answered([], ["cat"], {"cosine", "projection"})
