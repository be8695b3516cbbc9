"""Images that may have several classes, and what a model that reads texts says of them.

A study asks of each image the one class whose prompts are nearest, which is right where the image has it; the chapter
of the same name orders the images for every class. Images without any class are asked nothing, and count in that order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from visavis.data.dataset import Dataset, Sample
from visavis.engine.encoder import Encoder
from visavis.evaluate.scores import NotMeasurable, unit_rows
from visavis.evaluate.zero_shot import zero_shot


def classes_among(dataset: Dataset) -> tuple[str, ...]:
    """All classes that the images have, sorted."""
    return tuple(sorted({name for sample in dataset.samples for name in sample.labels or ()}))


def class_vectors(encoder: Encoder, classes: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """float32 [classes, embed_dim], unit rows. Raises NotMeasurable where a model reads no texts."""
    if not encoder.has_text:
        raise NotMeasurable(f"{encoder.name} has no text tower, so that it knows no classes by their names.")
    return encoder.zero_shot_classifier([name.replace("_", " ") for name in classes], templates)


def class_scores(images: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Cosines of images [images, embed_dim] and classes [classes, embed_dim]: [images, classes]."""
    return unit_rows(images) @ vectors.T


def has_class(samples: Sequence[Sample], classes: Sequence[str]) -> np.ndarray:
    """Which classes each image has, bool [images, classes]."""
    place = {name: number for number, name in enumerate(classes)}
    right = np.zeros((len(samples), len(classes)), bool)
    for row, sample in enumerate(samples):
        right[row, [place[name] for name in sample.labels or ()]] = True
    return right


def nearest_decisions(
    samples: Sequence[Sample], classes: Sequence[str], encoder: Encoder, images: np.ndarray, vectors: np.ndarray
) -> pd.DataFrame:
    """The nearest class of each image that has one, as decisions.

    Args:
        samples: Images with one class at least.
        classes: Names.
        encoder: Whose vectors they are.
        images: float32 [images, embed_dim].
        vectors: float32 [classes, embed_dim].

    Returns:
        sample, label (the image's first class, the same for all models), predicted (the class found, or that first one
            where the image has it), confidence (the probability of the class found), rank (of the first class that the
            image has).
    """
    probabilities = zero_shot(images, vectors, encoder.logit_scale or 1.0)  # [images, classes]
    right = has_class(samples, classes)
    best = np.where(right, probabilities, -1).max(axis=1, keepdims=True)
    rank = ((probabilities >= best) & ~right).sum(axis=1) + 1  # of equal ones the wrong stand first
    answers = np.where(right, -1.0, probabilities).argmax(axis=1)  # the likeliest wrong one, where no right is first
    names = np.array(classes, object)
    own = np.array([(sample.labels or ("",))[0] for sample in samples], object)
    return pd.DataFrame(
        {
            "sample": [sample.id for sample in samples],
            "label": own,
            "predicted": np.where(rank == 1, own, names[answers]),
            "confidence": probabilities.max(axis=1).astype(float),
            "rank": rank,
        }
    )
