"""Images that have several classes: does each class stand first where it is? Mean average precision over classes (mAP).

A class's average precision is that of the list of all images by their score for it: the mean, over the images that have
the class, of the share of such images down to there. It asks for no threshold, and a class's prompt that scores all
images too high costs nothing. Images with equal scores are passed together.

Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4.
"""

from __future__ import annotations

import numpy as np

CELLS = 2**22  # numbers held at once (32 MiB)


def average_precisions(scores: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Each class's average precision, with each image as often as it is counted.

    Args:
        scores: Of every class for every image, any numbers, [images, classes].
        right: Whether the image has the class, bool [images, classes].
        counts: How often an image is in each resample, [resamples, images]; one row of ones for the images themselves.

    Returns:
        float64 [resamples, classes]; NaN where no image of the resample has the class.

    >>> average_precisions(np.array([[0.9], [0.8], [0.7]]), np.array([[True], [False], [True]]), np.ones((1, 3)))
    array([[0.83333333]])
    """
    found = np.empty((len(counts), scores.shape[1]))
    step = max(1, CELLS // max(1, len(scores)))
    for column in range(scores.shape[1]):
        order = np.argsort(-scores[:, column], kind="stable")
        ranked = scores[order, column]
        last = np.searchsorted(-ranked, -ranked, side="right") - 1  # [images], of those with the same score
        for start in range(0, len(counts), step):
            weight = counts[start : start + step, order].astype(float)  # [resamples, images]
            hits = weight * right[order, column]
            with np.errstate(invalid="ignore"):  # 0 / 0: before the first counted image, and where none has the class
                precision = hits.cumsum(axis=1)[:, last] / weight.cumsum(axis=1)[:, last]
                found[start : start + step, column] = (hits * np.nan_to_num(precision)).sum(axis=1) / hits.sum(axis=1)
    return found


def precisions_at_each(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The share of images with a class among those down to each image that has it, NaN for images without it.

    Their mean over a class's images is its average precision. Arguments and shape are those of `average_precisions`
    without resamples, [images, classes].
    """
    found = np.full(scores.shape, np.nan)
    for column in range(scores.shape[1]):
        falling = np.sort(-scores[:, column])
        hits = np.sort(-scores[right[:, column], column])
        asked = -scores[right[:, column], column]
        found[right[:, column], column] = np.searchsorted(hits, asked, "right") / np.searchsorted(
            falling, asked, "right"
        )
    return found
