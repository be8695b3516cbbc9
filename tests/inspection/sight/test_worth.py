"""Which parts are taken away, on how many images, and with which intervals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight.classifier import classifier_of
from visavis.inspection.sight.records import Ablation
from visavis.inspection.sight.removals import (
    BUDGET,
    LEAST_IMAGES,
    MOST_IMAGES,
    Removal,
    Subject,
    affordable,
    removals_of,
)
from visavis.inspection.sight.spread import spread_places
from visavis.inspection.sight.taps import find_taps
from visavis.inspection.sight.worth import change_interval, mean_interval, worth
from visavis.study.bootstrap import Resampling, estimate_contrasts


def parts_of(encoder, heads=()):
    root = inspect(encoder).towers[0].root
    subject = Subject(encoder=encoder, root=root, taps=find_taps(encoder, root), heads=heads)
    return [[removal.part for removal in kind] for kind in removals_of(subject)]


def test_the_parts_of_a_resnet(encoder_of):
    single, stages, skips, heads = parts_of(encoder_of("resnet"))
    assert (single, heads) == ([], [])
    assert stages == ["block layer2.1"]  # the one block that keeps its shape
    assert skips == [f"skip connection of layer{name}" for name in ("1.0", "2.0", "2.1", "3.0", "4.0")]


def test_the_parts_of_a_vit(encoder_of):
    heads = [("transformer.resblocks.0.attn", 2)]
    single, blocks, skips, found = parts_of(encoder_of("vit"), heads)
    assert single == ["positions, by shuffling the patches", "class token, by the mean of the patches"]
    assert blocks == [f"block transformer.resblocks.{number}" for number in range(3)]
    assert skips == [f"skip connection of transformer.resblocks.{number}" for number in range(3)]
    assert found == ["head 1 of transformer.resblocks.0.attn", "head 2 of transformer.resblocks.0.attn"]


def made(*sizes):
    return [
        [Removal(part=f"{kind}.{number}", make=lambda: None) for number in range(size)]
        for kind, size in enumerate(sizes)
    ]


@given(
    sizes=st.lists(st.integers(0, 400), min_size=4, max_size=4),
    macs=st.one_of(st.none(), st.integers(10**6, 10**12)),
)
def test_the_budget_holds(sizes, macs):
    kinds = made(*sizes)
    removals, images = affordable(kinds, macs)
    assert LEAST_IMAGES <= images <= MOST_IMAGES
    assert len({removal.part for removal in removals}) == len(removals) <= sum(sizes)
    if len(removals) > len(kinds):  # one of each kind is always taken away
        assert len(removals) * images * (macs or 5e9) <= BUDGET
    if len(removals) < sum(sizes):
        assert images == LEAST_IMAGES


def test_a_small_network_is_measured_whole_and_a_large_one_in_part():
    assert [len(affordable(made(2, 4, 4, 8), 57_000_000)[0]), affordable(made(2, 4, 4, 8), 57_000_000)[1]] == [18, 256]
    removals, images = affordable(made(2, 24, 24, 384), 81_000_000_000)  # ViT-L/14
    assert images == 8
    assert [removal.part for removal in removals[:2]] == ["0.0", "0.1"]  # what there is one of stays
    assert 25 <= len(removals) <= 30
    last = [removal.part for removal in removals if removal.part.startswith("3.")]
    assert last[0] == "3.0"
    assert last[-1] == "3.383"  # spread over all layers


@given(count=st.integers(1, 3000), most=st.integers(1, 300))
def test_some_of_many_are_spread_evenly(count, most):
    places = spread_places(count, most)
    assert len(places) == min(count, most)
    assert places[0] == 0
    assert most == 1 or places[-1] == count - 1
    steps = np.diff(places)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_intervals_against_scipy_and_the_studys_own():
    cosines = np.random.default_rng(0).uniform(0.2, 0.6, 20)
    mean, low, high = mean_interval(cosines)
    oracle = ttest_1samp(cosines, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((cosines.mean(), oracle.low, oracle.high))
    assert mean_interval(np.array([1.0, 0.5]))[2] == 1  # never above

    before = np.array([True] * 12 + [False] * 8)
    after = before.copy()
    after[:3] = False  # so few changes that the study takes the same formula
    after[19] = True
    contrast = (after.astype(float) - before)[:, None]
    oracle = estimate_contrasts(contrast, np.zeros(20, int), np.ones(1), Resampling())
    assert change_interval(before, after) == pytest.approx((oracle.value[0], oracle.low[0], oracle.high[0]))
    value, low, high = change_interval(before, before)
    assert low < value == 0 < high  # no change among 20 images is not no change


def test_what_a_part_is_worth(encoder_of, pixels):
    encoder, images = encoder_of("vit"), pixels(40, 32)
    whole = encoder.encode_pixels(images)
    right, how = classifier_of(encoder, [str(number % 5) for number in range(40)], list("01234"), (), whole.numpy())
    assert how == "the nearest class mean"
    removals = [
        Removal(part="nothing", make=lambda: encoder.trace_pixels),
        Removal(part="all", make=lambda: lambda x: -encoder.trace_pixels(x)),
        Removal(part="sense", make=lambda: lambda x: encoder.trace_pixels(x) * float("nan")),
    ]
    same, turned, lost = worth(removals, images, whole, right)
    assert isinstance(same, Ablation)
    assert (same.cosine, same.accuracy[0]) == (pytest.approx(1), 0)
    assert turned.cosine == pytest.approx(-1)
    assert lost == "Without the sense the embeddings are no numbers."
    (unlabelled,) = worth(removals[:1], images, whole, None)
    assert unlabelled.accuracy is None


class Heads:
    """What a classifier is chosen by."""

    def __init__(self, *, names=None, text=False):
        self.class_names, self.has_text = names, text
        self.head = (np.eye(3, 2), np.array([0, 0, 5.0])) if names else None

    def zero_shot_classifier(self, names, templates):
        self.asked = names, templates
        return np.array([[1.0, 0], [0, 1.0]])


def test_its_own_classes_among_those_of_the_data():
    vectors = np.array([[2.0, 1], [1, 2], [0, 9]])
    right, how = classifier_of(Heads(names=("a", "b", "c")), ["a", "a", "b"], ["b", "a"], (), vectors)
    assert how == "its own classes"
    assert right(vectors).tolist() == [True, False, True]  # "c", whose bias would win, is not asked for


def test_texts_of_the_labels():
    encoder = Heads(text=True)
    vectors = np.array([[2.0, 1], [1, 2]])
    right, how = classifier_of(encoder, ["a", "a"], ["b", "a"], ("{}!",), vectors)
    assert how == "texts of the labels"
    assert encoder.asked == (["a", "b"], ("{}!",))
    assert right(vectors).tolist() == [True, False]


def test_the_nearest_mean_of_the_others_by_hand():
    """Two of each class: an image's own vector is no evidence, so its class's mean is the other one's vector."""
    vectors = np.array([[1.0, 0], [1, 0.2], [0, 1], [-0.2, -1], [-1, 0]])
    labels = ["a", "a", "b", "b", "alone"]
    right, how = classifier_of(Heads(names=("x", "y", "z")), labels, labels, (), vectors)
    assert how == "the nearest class mean"
    # Each a has the other one near. The b's are opposite each other: the first lies nearer to the a's, the second to
    # the one that is alone, which itself has no other of its class.
    assert right(vectors).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("labels", [["a"] * 4, ["a", "b", "c", "d"]])
def test_one_class_or_one_image_each_say_nothing(labels):
    assert classifier_of(Heads(), labels, labels, (), torch.eye(4).numpy()) == (None, "")
