"""k nearest neighbours: Wu et al. 2018, Unsupervised Feature Learning via Instance Discrimination, section 3.4.

The training images most alike vote, each with the weight exp(cosine / temperature).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visavis.evaluate.scores import unit_rows

TEMPERATURE = 0.07  # the paper's
K_GRID = (5, 10, 20, 50, 100, 200)  # from 5, so that the five likeliest classes mean something
BLOCK = 1024  # images compared with the training part at once, so that memory stays bounded


def knn(
    train: np.ndarray, train_labels: Sequence[str], test: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, int]:
    """Classifies by the nearest training images; k is chosen on the training part alone, by leaving one out.

    Args:
        train: float32 [train images, embed_dim].
        train_labels: Class of each training image.
        test: float32 [test images, embed_dim].
        classes: Names of the result's columns.

    Returns:
        Probabilities, float32 [test images, classes], and k: of equally good ones the smallest.
    """
    column = {name: index for index, name in enumerate(classes)}
    truth = np.array([column[label] for label in train_labels])
    train, test = unit_rows(train), unit_rows(test)
    k = _choose_k(train, truth, len(classes))
    blocks = [
        _votes(test[start : start + BLOCK] @ train.T, truth, k, len(classes)) for start in range(0, len(test), BLOCK)
    ]
    return np.concatenate(blocks), k


def _choose_k(train: np.ndarray, truth: np.ndarray, n_classes: int) -> int:
    candidates = [k for k in K_GRID if k < len(train)] or [max(1, len(train) - 1)]
    right = dict.fromkeys(candidates, 0)
    for start in range(0, len(train), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(train)))
        similarity = train[rows] @ train.T  # [block, train images]
        similarity[np.arange(len(rows)), rows] = -2.0  # below any cosine: an image is no neighbour of itself
        for k in candidates:
            right[k] += int((_votes(similarity, truth, k, n_classes).argmax(axis=1) == truth[rows]).sum())
    return max(candidates, key=lambda k: (right[k], -k))


def _votes(similarity: np.ndarray, truth: np.ndarray, k: int, n_classes: int) -> np.ndarray:
    """Shares of the votes: similarity [images, train images] -> [images, classes]."""
    nearest = np.argpartition(-similarity, min(k, similarity.shape[1]) - 1, axis=1)[:, :k]  # [images, k]
    rows = np.arange(len(similarity))[:, None]
    weight = np.exp((similarity[rows, nearest] - 1) / TEMPERATURE)  # [images, k]
    votes = np.zeros((len(similarity), n_classes), np.float32)
    np.add.at(votes, (rows, truth[nearest]), weight)
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
