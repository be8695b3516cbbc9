"""Retrieval: where the right answers stand among all of a gallery, by cosine similarity.

A query may have several right answers (an image its captions, a caption all images that it was written for). Its rank
is that of the first of them, from 1; its average precision counts all (Manning, Raghavan and Schuetze 2008,
Introduction to Information Retrieval, section 8.4). Of equal similarities, wrong answers stand first: vectors that are
all alike find nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visavis.evaluate.scores import require_finite, softmax, unit_rows

ROWS = 256  # queries at once
SORTED_FROM = 16  # right answers of a query, from which sorting is quicker than counting once for each


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """What queries found.

    Attributes:
        rank: Of the first right answer, int64 [queries].
        average_precision: float64 [queries].
        first: Place of the first answer in the gallery, int64 [queries].
    """

    rank: np.ndarray
    average_precision: np.ndarray
    first: np.ndarray


def retrieve(
    queries: np.ndarray,
    gallery: np.ndarray,
    right: Sequence[np.ndarray],
    left_out: Sequence[np.ndarray] | None = None,
) -> Retrieved:
    """Ranks a gallery for each query.

    Args:
        queries: float32 [queries, embed_dim].
        gallery: float32 [gallery, embed_dim].
        right: Places in the gallery of each query's right answers, one at least and none twice.
        left_out: Places that are not offered to a query, such as itself; at least one right answer is none of them.

    Raises:
        NotMeasurable: Vectors that are no numbers.
    """
    require_finite(queries, gallery)
    queries, gallery = unit_rows(queries), unit_rows(gallery)
    parts = [
        _retrieve(queries[start : start + ROWS] @ gallery.T, right[start : start + ROWS], _rows(left_out, start))
        for start in range(0, len(queries), ROWS)
    ]
    return Retrieved(
        rank=np.concatenate([part.rank for part in parts]),
        average_precision=np.concatenate([part.average_precision for part in parts]),
        first=np.concatenate([part.first for part in parts]),
    )


def certainty(queries: np.ndarray, gallery: np.ndarray, chosen: np.ndarray, logit_scale: float) -> np.ndarray:
    """The probability of the chosen answers among all of the gallery, a softmax of scaled similarities: [queries]."""
    queries, gallery = unit_rows(queries), unit_rows(gallery)
    parts = []
    for start in range(0, len(queries), ROWS):
        probabilities = softmax(logit_scale * queries[start : start + ROWS] @ gallery.T)
        parts.append(probabilities[np.arange(len(probabilities)), chosen[start : start + ROWS]])
    return np.concatenate(parts)


def _rows(left_out: Sequence[np.ndarray] | None, start: int) -> Sequence[np.ndarray]:
    return () if left_out is None else left_out[start : start + ROWS]


def _retrieve(scores: np.ndarray, right: Sequence[np.ndarray], left_out: Sequence[np.ndarray]) -> Retrieved:
    """One block; `scores` [queries, gallery] is written to."""
    if len(left_out):
        scores[_flat(left_out)] = -np.inf
    row, place = _flat(right)
    sizes = [len(places) for places in right]
    column = np.concatenate([np.arange(size) for size in sizes])  # of each right answer among its query's
    found = np.full((len(right), max(sizes)), -np.inf, np.float32)  # [queries, most right answers]
    found[row, column] = scores[row, place]
    order = np.argsort(-found, axis=1, kind="stable")
    found = np.take_along_axis(found, order, axis=1)
    scores[row, place] = -np.inf
    counts = np.isfinite(found).sum(axis=1)  # of right answers that are offered
    ahead = _count_at_least(scores, found)  # wrong answers before each right one
    place_of_right = 1 + np.arange(found.shape[1])
    precision = place_of_right / (place_of_right + ahead)
    there = place_of_right <= counts[:, None]
    best_right = np.array([places[chosen] for places, chosen in zip(right, order[:, 0], strict=True)])
    return Retrieved(
        rank=1 + ahead[:, 0],
        average_precision=np.where(there, precision, 0).sum(axis=1) / counts,
        first=np.where(ahead[:, 0] == 0, best_right, scores.argmax(axis=1)),
    )


def _flat(places: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(row, place) of every entry of a ragged list."""
    rows = np.repeat(np.arange(len(places)), [len(one) for one in places])
    return rows, np.concatenate([np.asarray(one, int) for one in places])


def _count_at_least(scores: np.ndarray, found: np.ndarray) -> np.ndarray:
    """How many of a row's scores [queries, gallery] reach each of its thresholds [queries, thresholds]; int64."""
    if found.shape[1] < SORTED_FROM:
        return np.stack([(scores >= column[:, None]).sum(axis=1) for column in found.T], axis=1)
    rising = np.sort(scores, axis=1)
    return np.stack([len(row) - np.searchsorted(row, wanted) for row, wanted in zip(rising, found, strict=True)])
