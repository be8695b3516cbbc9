from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from visavis.errors import TextsCut, UsageError
from visavis.inspection.explain import trust as trust_module
from visavis.inspection.explain.candidates import candidates_of
from visavis.inspection.explain.material import gather_material
from visavis.inspection.explain.trust import LIMITS, make_trial, measure_trust


@pytest.mark.parametrize(
    ("test", "good", "bad"),
    [
        ("localisation", 0.6, 0.4), ("randomisation", 0.4, 0.6), ("deletion", -0.1, 0.1), ("insertion", 0.1, -0.1),
    ],
)  # fmt: skip
def test_a_trial_passes_with_its_whole_interval_alone(test: Any, good: float, bad: float) -> None:
    noise = np.linspace(-0.05, 0.05, 50)
    assert make_trial(test, good + noise, seed=0).passes is True
    assert make_trial(test, bad + noise, seed=0).passes is False
    across = make_trial(test, LIMITS[test] + (good - bad) / 100 + 10 * noise, seed=0)  # better by the mean alone
    assert across.low < across.limit < across.high
    assert across.passes is False


def test_an_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.1, 400)
    trial = make_trial("localisation", values, seed=0)
    half = 1.96 * values.std() / 20  # the normal approximation
    assert (trial.low, trial.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.001)
    assert (trial.n, trial.value) == (400, pytest.approx(values.mean()))
    assert trial == make_trial("localisation", values, seed=0)


def test_few_images_say_nothing() -> None:
    trial = make_trial("insertion", np.full(9, 0.9), seed=0, said="seen")
    assert (trial.passes, trial.n, trial.said) == (None, 9, "seen: fewer than 10")
    assert np.isnan([trial.value, trial.low, trial.high]).all()


@pytest.fixture(scope="module")
def measured(embedded: Callable[[str], Any]) -> Callable[[str], Any]:
    """All tests on few images of an embedded model, made once."""
    kept: dict[str, Any] = {}

    def measure(name: str) -> Any:
        if name not in kept:
            kept[name] = measure_trust(embedded(name), images=24)
        return kept[name]

    return measure


@pytest.mark.parametrize("name", ["RN-mini.emoji", "vit-mini-patch8.emoji"])
def test_what_is_known_of_a_model(measured: Callable[[str], Any], embedded: Callable[[str], Any], name: str) -> None:
    found = measured(name)
    methods = ["grad_cam", "occlusion"] if name.startswith("RN") else ["relevance", "occlusion", "rollout"]
    assert [trust.method for trust in found] == methods
    for trust in found:
        assert [trial.test for trial in trust.trials] == list(LIMITS)
        assert [trial.n for trial in trust.trials] == [24, 6, 12, 12]
        assert trust.trials[1].passes is None  # six images are too few for randomisation
        assert set(trust.curves) == {"deletion", "insertion", "random deletion", "random insertion"}
        whole = trust.curves["deletion"][0]
        assert trust.curves["insertion"][-1] == pytest.approx(whole, abs=1e-5)  # both are the whole image
        assert trust.curves["random deletion"][0] == pytest.approx(whole, abs=1e-5)
        assert trust.curves["deletion"][-1] == pytest.approx(trust.curves["insertion"][0], abs=1e-5)
        assert len(trust.shares) == len(trust.curves["deletion"]) == 17
        assert len(trust.examples) == 3
        assert trust.examples[0].target.startswith("text " if name.startswith("RN") else "class ")
    assert found[0].curves["random deletion"] == found[1].curves["random deletion"]
    assert found[0].trials[0].passes  # the default method finds the thing that was asked for


def test_rollout_cannot_find_what_it_is_not_told(measured: Callable[[str], Any]) -> None:
    """It has one map for all questions: of two things, half of it lies on either, and a lost target changes nothing."""
    rollout = measured("vit-mini-patch8.emoji")[2]
    assert rollout.method == "rollout"
    assert rollout.trials[0].passes is False
    assert abs(rollout.trials[0].value - 0.5) < 0.1
    assert rollout.randomised[0] == pytest.approx(1)
    assert rollout.passes is False


def test_the_same_seed_measures_the_same(measured: Callable[[str], Any], embedded: Callable[[str], Any]) -> None:
    steps: list[tuple[str, int, int]] = []
    again = measure_trust(embedded("RN-mini.emoji"), images=24, progress=lambda *step: steps.append(step))
    for before, now in zip(measured("RN-mini.emoji"), again, strict=True):
        assert before.curves == now.curves
        assert before.randomised == now.randomised
        assert before.trials[0] == now.trials[0]
    assert [step[1:] for step in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_method_that_ignores_the_network_fails(
    embedded: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def edges(pixels: torch.Tensor, score: Any) -> torch.Tensor:
        return pixels.mean(dim=1).diff(dim=2, append=pixels[:, 0, :, -1:]).abs()

    monkeypatch.setattr(trust_module, "mappers_of", lambda encoder: {"occlusion": edges})
    (trust,) = measure_trust(embedded("resnet-mini.emoji"), images=40)
    by_test = {trial.test: trial for trial in trust.trials}
    assert by_test["randomisation"].passes is False
    assert by_test["randomisation"].value == pytest.approx(1)
    assert by_test["localisation"].passes is False
    assert trust.passes is False


def test_composed_images_hold_what_the_network_knows(embedded: Callable[[str], Any]) -> None:
    encoder = embedded("resnet-mini.emoji")
    material = gather_material(encoder, images=10, seed=3)
    assert len(material.composed) == len(material.asked) == 10 <= material.drawn
    for one, number in zip(material.composed, material.asked, strict=True):
        features = torch.from_numpy(encoder.encode_images([one.asked_alone]))
        assert int(material.candidates.scores(features).argmax()) == number == one.asked


def test_candidates_score_as_their_models_do(encoder_of: Callable[..., Any]) -> None:
    clip, labels = encoder_of("clip-vit"), encoder_of("resnet")
    features = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
    asked = candidates_of(clip, ["dog", "cat"], ["{}", "a {}"])
    cosines = torch.nn.functional.normalize(features) @ torch.from_numpy(
        clip.zero_shot_classifier(["dog", "cat"], ["{}", "a {}"]).T
    )
    torch.testing.assert_close(asked.scores(features), cosines)
    torch.testing.assert_close(asked.score(features, torch.tensor([1, 0, 1])), cosines[[0, 1, 2], [1, 0, 1]])
    probabilities = (clip.logit_scale * cosines).softmax(dim=1)
    torch.testing.assert_close(asked.probability(features, 1), probabilities[:, 1])
    assert asked.called(1) == "text cat"
    features = torch.randn(3, labels.embed_dim, generator=torch.Generator().manual_seed(0))
    weight, bias = map(torch.from_numpy, labels.head)
    logits = features @ weight.T + bias
    known = candidates_of(labels, ["cat", "plain"], ["{}"])
    assert known.named
    torch.testing.assert_close(
        known.scores(features), (logits - logits.mean(1, keepdim=True))[:, [4, 0]], atol=1e-4, rtol=1e-4
    )
    foreign = candidates_of(labels, ["a", "b"], ["{}"])
    assert (foreign.named, foreign.names) == (False, labels.class_names)
    torch.testing.assert_close(foreign.probability(features, 2), logits.softmax(dim=1)[:, 2], atol=1e-4, rtol=1e-4)


def test_shuffled_candidates_hold_the_same_numbers(encoder_of: Callable[..., Any]) -> None:
    asked = candidates_of(encoder_of("clip-vit"), ["dog", "cat"], ["{}"])
    lost = asked.shuffled(seed=0)
    torch.testing.assert_close(lost.vectors.sort(dim=1).values, asked.vectors.sort(dim=1).values)
    assert not torch.equal(lost.vectors, asked.vectors)
    assert torch.equal(lost.vectors, asked.shuffled(seed=0).vectors)


def test_a_network_without_names_cannot_be_tested(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("vit")
    encoder.head = None
    with pytest.raises(UsageError, match=r"'small vit' has neither a text tower nor classes"):
        measure_trust(encoder)


def test_a_network_that_recognises_nothing(encoder_of: Callable[..., Any]) -> None:
    """Fresh weights: localisation says how few things were known, and the other tests go on."""
    with pytest.warns(TextsCut):  # of 16 tokens
        found = measure_trust(encoder_of("clip-vit"), images=8)
    for trust in found:
        located = trust.trials[0]
        assert located.passes is None
        assert "of 160 things recognised alone: fewer than 10" in located.said
        assert trust.passes in (None, False)
