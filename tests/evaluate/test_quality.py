"""Doubtful labels by cleanlab's answer, outliers by hand."""

from __future__ import annotations

import numpy as np

from visavis.evaluate.quality import confident_class, doubted_labels, is_outside
from visavis.evaluate.scores import softmax

# compute_confident_joint(labels, probabilities, calibrate=False) of cleanlab 2.9.0, with the arrays of `mislabelled`
CONFIDENT_JOINT = [
    [32, 1, 0, 4, 0, 2], [0, 33, 3, 1, 0, 2], [0, 1, 31, 0, 0, 1], [2, 1, 2, 25, 0, 2], [0, 0, 0, 1, 30, 0],
    [1, 2, 0, 1, 1, 29],
]  # fmt: skip


def mislabelled() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of 300 images of six classes, their labels, and which 15 of these are wrong."""
    random = np.random.default_rng(0)
    truth = np.arange(300) % 6
    labels = truth.copy()
    wrong = random.choice(300, 15, replace=False)
    labels[wrong] = (labels[wrong] + 1 + random.integers(0, 5, 15)) % 6
    return draw(truth, seed=0), labels, wrong


def draw(truth: np.ndarray, seed: int, skill: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(len(truth), 6)).astype(np.float32)
    logits[np.arange(len(truth)), truth] += skill
    return softmax(2 * logits)


def test_confident_classes_are_cleanlabs():
    probabilities, labels, _ = mislabelled()
    found = confident_class(probabilities, labels)
    joint = np.zeros((6, 6), int)
    np.add.at(joint, (labels[found >= 0], found[found >= 0]), 1)
    assert joint.tolist() == CONFIDENT_JOINT


def test_several_models_find_the_wrong_labels_and_little_else():
    _, labels, wrong = mislabelled()
    scores = [draw(np.arange(300) % 6, seed, skill=4.0) for seed in range(4)]
    found, predicted = doubted_labels(scores, labels)
    assert len(set(found) & set(wrong)) >= 8
    assert len(set(found) - set(wrong)) <= 1
    assert (predicted != labels[found]).all()
    mean = np.mean(scores, axis=0)
    margins = mean[found, predicted] - mean[found, labels[found]]
    assert (np.diff(margins) <= 0).all()


def test_weak_models_convict_no_label():
    labels = np.arange(60) % 2
    wrong = np.arange(60) < 15
    sure = np.where((labels ^ wrong)[:, None] == np.arange(2), 0.9, 0.1)
    assert len(doubted_labels([sure, sure], labels)[0]) == 0  # a quarter of what they agree on contradicts
    few = np.where((labels ^ (np.arange(60) < 11))[:, None] == np.arange(2), 0.9, 0.1)
    assert len(doubted_labels([few, few], labels)[0]) == 11


def test_few_images_of_a_label_set_no_threshold():
    probabilities = np.array([[0.3, 0.4, 0.3], [0.2, 0.7, 0.1]])
    assert confident_class(probabilities, np.array([0, 0])).tolist() == [-1, 1]


def test_outside_by_hand():
    # quartiles 0.5 and 0.6: the fence stands at 0.5 - 2.2 * 0.1
    similarity = np.array([0.5] * 30 + [0.6] * 60 + [0.27, 0.29])
    assert np.flatnonzero(is_outside(similarity)).tolist() == [90]
