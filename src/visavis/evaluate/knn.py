"""k nearest neighbours: Wu et al. 2018, Unsupervised Feature Learning via Instance Discrimination, section 3.4.

The training images most alike vote, each with the weight exp(cosine / temperature).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from visavis.evaluate.scores import NotMeasurable, require_finite, unit_rows

TEMPERATURE = 0.07  # the paper's
K_GRID = (5, 10, 20, 50, 100, 200)  # from 5: with fewer neighbours than that, accuracy@5 has nothing to rank
CELLS = 2**24  # cosines held at once (64 MiB, their order twice that), so that memory stays bounded


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

    Raises:
        NotMeasurable: No training image, or embeddings that are no numbers.
    """
    if not len(train):
        raise NotMeasurable("Nearest neighbours are looked for among training images, and there are none.")
    require_finite(train, test)
    column = {name: index for index, name in enumerate(classes)}
    truth = np.array([column[label] for label in train_labels])
    train, test = unit_rows(train), unit_rows(test)
    k = _choose_k(train, truth, len(classes))
    probabilities = np.empty((len(test), len(classes)), np.float32)
    for rows in _blocks(len(test), len(train)):
        cosine, neighbours = _nearest(test[rows] @ train.T, k)
        probabilities[rows] = _votes(cosine, truth[neighbours], len(classes))
    return probabilities, k


def _choose_k(train: np.ndarray, truth: np.ndarray, n_classes: int) -> int:
    """The k with the most right answers when each training image is asked about by all the others."""
    candidates = [k for k in K_GRID if k < len(train)] or [max(1, len(train) - 1)]
    right = dict.fromkeys(candidates, 0)
    for rows in _blocks(len(train), len(train)):
        similarity = train[rows] @ train.T  # [block, train images]
        own = np.arange(len(train))[rows]
        similarity[np.arange(len(own)), own] = -2.0  # below any cosine: an image is no neighbour of itself
        cosine, neighbours = _nearest(similarity, max(candidates))
        for k in candidates:
            votes = _votes(cosine[:, :k], truth[neighbours[:, :k]], n_classes)
            right[k] += int((votes.argmax(axis=1) == truth[rows]).sum())
    return max(candidates, key=lambda k: (right[k], -k))


def _blocks(n_images: int, n_train: int) -> Iterator[slice]:
    """Cuts the images so that a block has at most CELLS cosines, and at least one image."""
    size = max(1, CELLS // n_train)
    return (slice(start, min(start + size, n_images)) for start in range(0, n_images, size))


def _nearest(similarity: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most alike, the nearest first: similarity [images, train images] -> cosines and places [images, k]."""
    found = np.sort(np.argpartition(similarity, -k, axis=1)[:, -k:], axis=1)
    cosine = np.take_along_axis(similarity, found, axis=1)
    order = np.argsort(-cosine, axis=1, kind="stable")
    return np.take_along_axis(cosine, order, axis=1), np.take_along_axis(found, order, axis=1)


def _votes(cosine: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Shares of the neighbours' votes: cosines and classes [images, k] -> [images, classes]."""
    weight = np.exp((cosine - 1) / TEMPERATURE)  # at least exp(-2 / TEMPERATURE), so that no row is empty
    votes = np.zeros((len(cosine), n_classes), np.float32)
    np.add.at(votes, (np.arange(len(cosine))[:, None], labels), weight)
    return votes / votes.sum(axis=1, keepdims=True)
