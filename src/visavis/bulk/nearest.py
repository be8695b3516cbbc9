"""Exact nearest neighbours by cosine: every vector is looked at.

A product of a matrix with a vector is bound by how fast memory can be read, so it goes over the matrix once, in blocks
whose scores stay in the processor's cache, straight from the file that is mapped into memory.
"""

from __future__ import annotations

import numpy as np

BLOCK = 65_536  # rows


def nearest(vectors: np.ndarray, query: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows most similar to a query.

    Args:
        vectors: float32 [images, embed_dim], unit rows or rows of zeros; may be mapped from a file.
        query: float32 [embed_dim], of length 1.
        top: How many are wanted; all where there are fewer.

    Returns:
        Their numbers int64 [top] and cosines float32 [top], the most similar first; of equals the first row first.
    """
    numbers, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    for start in range(0, len(vectors), BLOCK):
        own = vectors[start : start + BLOCK] @ query  # [rows]
        least = np.partition(own, -top)[-top] if len(own) > top else -np.inf
        best = np.flatnonzero(own >= least)  # with all that equal the last one, for the sake of order
        numbers = np.concatenate([numbers, start + best])
        scores = np.concatenate([scores, own[best]])
        order = np.lexsort((numbers, -scores))[:top]
        numbers, scores = numbers[order], scores[order]
    return numbers, scores
