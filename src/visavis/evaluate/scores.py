"""What every measure of classification ends in: probabilities over classes, and the decisions that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class NotMeasurable(Exception):  # noqa: N818  # it is an answer, the reason of an empty cell, not a failure
    """A measure cannot be taken of this model on these data; the message says why, for the report."""


def require_finite(*vectors: np.ndarray) -> None:
    """Raises NotMeasurable where embeddings hold what is no number: decisions from them would be plausible lies."""
    if not all(np.isfinite(part).all() for part in vectors):
        raise NotMeasurable(
            "Its vectors of some images are not finite numbers: its weights may be damaged, or its training diverged."
        )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows to probabilities, in float32: [images, classes]."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    return shifted / shifted.sum(axis=1, keepdims=True)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Each row scaled to length 1; rows of zeros stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def predictions_from_scores(probabilities: np.ndarray, classes: Sequence[str], labels: Sequence[str]) -> pd.DataFrame:
    """Decisions, one row an image.

    Args:
        probabilities: [images, classes].
        classes: Names of the columns.
        labels: The true class of each image [images]; each one of `classes`.

    Returns:
        label, predicted, confidence (the probability of the predicted class), rank (of the true class, 1 is first; of
        equal probabilities the class named first in `classes` stands before; a class of no probability at all, such as
        one that no neighbour votes for, stands last, so that its place in the alphabet earns no accuracy@5).
    """
    import pandas as pd

    column = {name: index for index, name in enumerate(classes)}
    truth = np.array([column[label] for label in labels])
    order = np.argsort(-probabilities, axis=1, kind="stable")  # [images, classes], the likeliest first
    rank = (order == truth[:, None]).argmax(axis=1) + 1
    best = order[:, 0]
    rank[(probabilities[np.arange(len(truth)), truth] == 0) & (best != truth)] = len(classes)
    return pd.DataFrame(
        {
            "label": list(labels),
            "predicted": [classes[index] for index in best],
            "confidence": probabilities[np.arange(len(best)), best].astype(float),
            "rank": rank.astype(int),
        }
    )
