"""Fine-tuning on pictures whose colour is their class: what is learnt, what stays, and what depends on what."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tiny_encoders import make_encoder
from visavis.train.fine_tuning import (
    Classifier,
    FineTuning,
    LowRank,
    Start,
    average_weights,
    classify,
    fine_tune,
    lower_rank,
    steps_in_all,
)

TRUTH = np.arange(40) % 2
QUICK = FineTuning(learning_rates=(1e-2,), epochs=6, batch_size=8)


@pytest.fixture(params=["supervised-resnet", "supervised-vit", "clip-resnet", "clip-vit"])
def encoder(request):
    return make_encoder(request.param)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Reddish and bluish noise, uint8 [40, 32, 32, 3]."""
    noise = np.random.default_rng(0).integers(0, 120, (40, 32, 32, 3))
    noise[TRUTH == 0, ..., 0] += 80
    noise[TRUTH == 1, ..., 2] += 80
    return noise.astype(np.uint8)


def start_of(encoder, unit: bool = True) -> Start:
    random = np.random.default_rng(1)
    weight = random.normal(size=(2, encoder.embed_dim)).astype(np.float32)
    return Start(weight=weight, bias=np.array([0.5, -0.5], np.float32), unit=unit)


def scores_of(encoder, classifier, pixels) -> np.ndarray:
    return np.concatenate(list(classify(encoder, classifier, [pixels[:30], pixels[30:]])))


@pytest.mark.parametrize("unit", [True, False])
def test_it_begins_as_the_encoder_with_the_head_that_was_given(encoder, pixels, unit):
    start = start_of(encoder, unit)
    vectors = encoder.encode_images(list(pixels), normalize=unit)
    found = scores_of(encoder, Classifier(encoder, start), pixels)
    np.testing.assert_allclose(found, vectors @ start.weight.T + start.bias, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [None, 2])
def test_colours_are_learnt_and_the_encoder_stays(encoder, pixels, rank):
    before = encoder.encode_images(list(pixels))
    fingerprint = encoder.fingerprint
    config = FineTuning(learning_rates=(1e-2,), epochs=12, batch_size=8, rank=rank)
    tuned, rate = fine_tune(encoder, start_of(encoder), pixels, TRUTH, config)
    assert rate == 1e-2
    assert (scores_of(encoder, tuned, pixels).argmax(axis=1) == TRUTH).mean() > 0.9
    assert encoder.fingerprint == fingerprint
    assert encoder.encode_images(list(pixels)).tobytes() == before.tobytes()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(pixels):
    encoder = make_encoder("clip-vit")
    first, again, other = (
        scores_of(encoder, fine_tune(encoder, start_of(encoder), pixels, TRUTH, config)[0], pixels)
        for config in (QUICK, QUICK, FineTuning(learning_rates=(1e-2,), epochs=6, batch_size=8, seed=1))
    )
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_the_rate_is_the_one_that_does_best_on_images_left_out(pixels):
    encoder = make_encoder("clip-vit")
    seen: list[tuple[int, int]] = []
    config = FineTuning(learning_rates=(1e-9, 1e-2), epochs=6, batch_size=8)
    _, rate = fine_tune(encoder, start_of(encoder), pixels, TRUTH, config, lambda *steps: seen.append(steps))
    assert rate == 1e-2
    total = 2 * 6 * 4 + 6 * 5  # two rates on 32 images, then all 40, in batches of 8
    assert total == steps_in_all(len(pixels), config)
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_a_low_rank_change_is_none_at_first_and_of_that_rank_later(encoder, pixels):
    classifier = Classifier(encoder, start_of(encoder))
    expected = scores_of(encoder, classifier, pixels)
    lower_rank(classifier.tower, 2, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(scores_of(encoder, classifier, pixels), expected, atol=1e-5)
    changes = [module for module in classifier.modules() if isinstance(module, LowRank)]
    assert changes
    trained = {id(parameter) for parameter in classifier.parameters() if parameter.requires_grad}
    own = {id(parameter) for change in changes for parameter in change.parameters()}
    assert trained == own | {id(classifier.weight), id(classifier.bias)}
    for change in changes:
        torch.nn.init.normal_(change.b, generator=torch.Generator().manual_seed(1))
        whole = torch.zeros(len(change.b), change.a.shape[1])
        assert torch.linalg.matrix_rank(change(whole)) == min(2, *whole.shape)


def test_averages_lie_between_the_weights(pixels):
    encoder = make_encoder("clip-resnet")
    start = start_of(encoder)
    tuned, _ = fine_tune(encoder, start, pixels, TRUTH, QUICK)
    kept = copy.deepcopy(tuned)
    for share in (0.0, 0.25, 1.0):
        before = Classifier(encoder, start)
        expected = [old + share * (new - old) for old, new in zip(before.parameters(), tuned.parameters(), strict=True)]
        averaged = average_weights(before, tuned, share)
        for found, wanted in zip(averaged.parameters(), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    for untouched, was in zip(tuned.parameters(), kept.parameters(), strict=True):
        assert torch.equal(untouched, was)


def test_statistics_of_batch_norms_stay(pixels):
    encoder = make_encoder("supervised-resnet")
    tuned, _ = fine_tune(encoder, start_of(encoder), pixels, TRUTH, QUICK)
    for found, own in zip(tuned.tower.buffers(), encoder.image_tower.buffers(), strict=True):
        assert torch.equal(found, own)
