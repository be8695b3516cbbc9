"""A linear probe for images that may have several classes: for each class a logistic regression of it against the rest.

The objective of each class is scikit-learn's, the mean log loss plus ||w||^2 / (2 C images) without a penalty on the
intercept; all classes are fitted together, by the means of `visavis.evaluate.logistic`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.special import expit

from visavis.evaluate.logistic import ROWS, minimise, principal_axes
from visavis.evaluate.scores import NotMeasurable, require_finite

STRENGTH = 0.1  # scikit-learn's C, that of few-shot probes
TOLERANCE = 1e-3  # of the scaled gradient's length
CURVATURE = 0.25  # the most that a log loss curves


def one_vs_rest(train: np.ndarray, right: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores for each class.

    Args:
        train: Standardised features, float32 [train images, features].
        right: Which classes they have, bool [train images, classes].
        test: float32 [test images, features].

    Returns:
        Log odds, float32 [test images, classes]; of a class that no or all training images have, the same for all.

    Raises:
        NotMeasurable: No training images, or embeddings that are no numbers.
    """
    if not len(train):
        raise NotMeasurable("A linear probe needs training images, and there are none.")
    require_finite(train, test)
    axes, variances = principal_axes(train)
    n, rank = len(train), axes.shape[1]
    penalty = 1 / (STRENGTH * n)
    scale = np.append(1 / np.sqrt(CURVATURE * variances + penalty), 1 / np.sqrt(CURVATURE)).astype(np.float32)
    penalties = (penalty * scale[:, None] ** 2).astype(np.float32)
    penalties[-1] = 0.0
    features = np.hstack([train @ axes, np.ones((n, 1), np.float32)]) * scale
    told = right.any(axis=0) & ~right.all(axis=0)  # of others the intercept would grow without end
    objective = partial(_objective, features=features, right=right[:, told], penalties=penalties)
    found = minimise(objective, np.zeros((rank + 1, int(told.sum())), np.float32), TOLERANCE) * scale[:, None]
    scores = np.zeros((len(test), right.shape[1]), np.float32)
    scores[:, told] = test @ (axes @ found[:-1]) + found[-1]
    return scores


def _objective(
    weights: np.ndarray, features: np.ndarray, right: np.ndarray, penalties: np.ndarray
) -> tuple[float, np.ndarray]:
    """Value and gradient; weights [rank + 1, classes], features with a constant last [images, rank + 1]."""
    n = len(features)
    gradient = penalties * weights
    value = 0.5 * float((gradient * weights).sum(dtype=np.float64))
    for start in range(0, n, ROWS):
        rows, own = features[start : start + ROWS], right[start : start + ROWS]
        logits = rows @ weights
        value += float((np.logaddexp(0, logits) - own * logits).sum(dtype=np.float64)) / n
        gradient += rows.T @ ((expit(logits) - own) / np.float32(n))
    return value, gradient
