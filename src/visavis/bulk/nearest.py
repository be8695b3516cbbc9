"""Exact nearest neighbours by cosine: every vector is looked at.

A product of a matrix with a vector is bound by how fast memory can be read, so each processor core goes once over
blocks of its own, straight from the file that is mapped into memory, and picks a block's best while their scores are
still in its cache. What is left to sort is a handful of each block.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits


def nearest(blocks: Sequence[np.ndarray], query: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows most similar to a query.

    Args:
        blocks: float32 [some, embed_dim] each, unit rows or rows of zeros; may be mapped from a file.
        query: float32 [embed_dim], of length 1.
        top: How many are wanted; all where there are fewer.

    Returns:
        Their numbers int64 [top], counted through all blocks, and cosines float32 [top], the most similar first; of
        equals the first row first.
    """

    def best_of(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = block @ query  # [some]
        least = np.partition(scores, -top)[-top] if len(scores) > top else -np.inf
        best = np.flatnonzero(scores >= least)  # with all that equal the last one, for the sake of order
        return best, scores[best]

    numbers, scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    start = 0
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for block, (best, own) in zip(blocks, pool.map(best_of, blocks), strict=True):
            numbers.append(start + best)
            scores.append(own)
            start += len(block)
    found, cosines = np.concatenate(numbers), np.concatenate(scores)
    order = np.lexsort((found, -cosines))[:top]
    return found[order], cosines[order]
