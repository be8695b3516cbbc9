"""Images that may have several classes, and what a model says of them: by the classes' names, or by linear probes.

A study asks of each image the one class that is likeliest, which is right where the image has it; the chapter of the
same name orders the images for every class. Images without any class are asked nothing, and count in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from visavis.data.dataset import Dataset, Sample
from visavis.engine.encoder import Encoder
from visavis.evaluate.linear_probe import standardised
from visavis.evaluate.one_vs_rest import one_vs_rest
from visavis.evaluate.scores import NotMeasurable, require_finite, softmax, unit_rows


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a model says of images under a view.

    Attributes:
        scores: The higher the likelier, float32 [images, classes].
        sure: Its own probability of the likeliest class, [images].
    """

    scores: np.ndarray
    sure: np.ndarray


def classes_among(dataset: Dataset) -> tuple[str, ...]:
    """All classes that the images have, sorted."""
    return tuple(sorted({name for sample in dataset.samples for name in sample.labels or ()}))


def has_class(samples: Sequence[Sample], classes: Sequence[str]) -> np.ndarray:
    """Which classes each image has, bool [images, classes]."""
    place = {name: number for number, name in enumerate(classes)}
    right = np.zeros((len(samples), len(classes)), bool)
    for row, sample in enumerate(samples):
        right[row, [place[name] for name in sample.labels or ()]] = True
    return right


def by_name(
    encoder: Encoder, classes: Sequence[str], templates: Sequence[str], views: Sequence[np.ndarray]
) -> list[Scored]:
    """By zero-shot: the cosines of images and the classes' prompts.

    Args:
        encoder: The model.
        classes: Names.
        templates: Prompts with {} for a name.
        views: Features of the images under each view, each float32 [images, feature_dim].

    Raises:
        NotMeasurable: The model reads no texts, or vectors are no numbers.
    """
    if encoder.logit_scale is None:
        raise NotMeasurable(f"{encoder.name} has no text tower, so that it knows no classes by their names.")
    vectors = encoder.zero_shot_classifier([name.replace("_", " ") for name in classes], templates)
    require_finite(*views)
    cosines = [unit_rows(encoder.project(features)) @ vectors.T for features in views]
    return [Scored(scores=own, sure=softmax(encoder.logit_scale * own).max(axis=1)) for own in cosines]


def by_probe(
    train: np.ndarray,
    train_right: np.ndarray,
    test: np.ndarray,
    test_right: np.ndarray,
    first: np.ndarray,
    views: Sequence[np.ndarray],
) -> list[Scored]:
    """By a linear probe for each class.

    Args:
        train: Features of the training part, float32 [train images, feature_dim]; none where all images test.
        train_right: Of `has_class`, [train images, classes].
        test: Features of the test part as it is, float32 [test images, feature_dim].
        test_right: Of `has_class`, [test images, classes].
        first: Without a training part: which test images are of the first half, bool [test images]. Each half is asked
            a probe of the other.
        views: Features of the test part under each view, each float32 [test images, feature_dim].

    Raises:
        NotMeasurable: Too few images to learn from, or features that are no numbers.
    """
    if len(train):
        learnt = [(train, train_right, np.ones(len(test_right), bool))]
    else:
        learnt = [(test[~asked], test_right[~asked], asked) for asked in (first, ~first)]
    scores = [np.zeros(test_right.shape, np.float32) for _ in views]
    for features, right, asked in learnt:
        standard, shown = standardised(features, np.concatenate([view[asked] for view in views]))
        found = one_vs_rest(standard, right, shown)
        for view, part in zip(scores, np.split(found, len(views)), strict=True):
            view[asked] = part
    return [Scored(scores=own, sure=expit(own.max(axis=1))) for own in scores]


def decide(samples: Sequence[Sample], classes: Sequence[str], scores: np.ndarray, sure: np.ndarray) -> pd.DataFrame:
    """The likeliest class of each image that has one, as decisions.

    Args:
        samples: Images with one class at least.
        classes: Names.
        scores: The higher the likelier, [images, classes].
        sure: The model's own probability of its answer, [images].

    Returns:
        sample, label (the image's first class, the same for all models), predicted (the class found, or that first one
            where the image has it), confidence, rank (of the first class that the image has).
    """
    right = has_class(samples, classes)
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    rank = ((scores >= best) & ~right).sum(axis=1) + 1  # of equal ones the wrong stand first
    answers = np.where(right, -np.inf, scores).argmax(axis=1)  # the likeliest wrong one, where no right is first
    names = np.array(classes, object)
    own = np.array([(sample.labels or ("",))[0] for sample in samples], object)
    return pd.DataFrame(
        {
            "sample": [sample.id for sample in samples],
            "label": own,
            "predicted": np.where(rank == 1, own, names[answers]),
            "confidence": sure.astype(float),
            "rank": rank,
        }
    )
