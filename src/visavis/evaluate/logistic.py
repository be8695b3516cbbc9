"""Multinomial logistic regression with an L2 penalty, for many classes and several strengths of one problem.

The objective is scikit-learn's: the mean cross-entropy plus ||W||^2 / (2 C images), no penalty on the intercept. What
makes it quick: features are turned to their principal axes, which keeps the penalty and leaves out directions that no
image has; each axis is scaled by what it curves the objective (Boehning 1992, Multinomial logistic regression
algorithm, bounds that curvature by the features' covariance); L-BFGS then needs a fifth of the steps (Liu and Nocedal
1989, On the limited memory BFGS method for large scale optimization), all in float32 products of matrices; and a
strength starts from its neighbour's optimum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

STEPS = 200  # of L-BFGS at most
TOLERANCE = 1e-3  # of the scaled gradient's length; the objective is then about the square of it above the least
PAIRS = 8  # of steps and gradients that L-BFGS remembers
ROWS = 1024  # images at once, so that their logits stay in the processor's cache
FLATTEST = 1e-6  # of the greatest variance: axes below hold rounding errors alone

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Images with classes, turned to their principal axes.

    Attributes:
        axes: float32 [features, rank], orthonormal columns.
        coordinates: The images on them, float32 [images, rank].
        variances: Mean squares along them, [rank].
        truth: Class numbers [images].
        n_classes: Of which each has an image, or its weights stay near those of no image.
    """

    axes: np.ndarray
    coordinates: np.ndarray
    variances: np.ndarray
    truth: np.ndarray
    n_classes: int

    def fit(self, strength: float, start: np.ndarray | None = None, tolerance: float = TOLERANCE) -> np.ndarray:
        """Minimises the objective.

        Args:
            strength: scikit-learn's C.
            start: Weights to start from, such as those of a neighbouring strength.
            tolerance: Of the scaled gradient's length.

        Returns:
            Weights on the axes and, in the last row, intercepts: float32 [rank + 1, classes].
        """
        n, rank = self.coordinates.shape
        penalty = 1 / (strength * n)
        curvature = (1 - 1 / self.n_classes) / self.n_classes  # of a class's probability where all are alike
        scale = np.append(1 / np.sqrt(curvature * self.variances + penalty), 1 / np.sqrt(curvature)).astype(np.float32)
        penalties = penalty * scale[:, None] ** 2
        penalties[-1] = 0.0
        scaled = np.hstack([self.coordinates, np.ones((n, 1), np.float32)]) * scale
        first = np.zeros((rank + 1, self.n_classes), np.float32) if start is None else start / scale[:, None]
        objective = partial(_objective, features=scaled, truth=self.truth, penalties=penalties.astype(np.float32))
        _, steepest = objective(np.zeros_like(first))  # small where the penalty is strong, as all the weights then are
        return minimise(objective, first, tolerance * min(1.0, _dot(steepest, steepest) ** 0.5)) * scale[:, None]

    def logits(self, features: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """float32 [images, features], and weights of `fit`, to float32 [images, classes]."""
        return features @ (self.axes @ weights[:-1]) + weights[-1]


def as_problem(features: np.ndarray, truth: np.ndarray, n_classes: int) -> Problem:
    """Turns features, float32 [images, features] and best of mean zero, to their principal axes."""
    axes, variances = principal_axes(features)
    return Problem(axes=axes, coordinates=features @ axes, variances=variances, truth=truth, n_classes=n_classes)


def principal_axes(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal columns float32 [features, rank], without directions that no image has, and mean squares [rank]."""
    gram = (features.T @ features).astype(np.float64) / len(features)
    variances, axes = np.linalg.eigh(gram)
    kept = variances > FLATTEST * max(variances[-1], 1e-12)
    return axes[:, kept].astype(np.float32), variances[kept]


def _objective(
    weights: np.ndarray, features: np.ndarray, truth: np.ndarray, penalties: np.ndarray
) -> tuple[float, np.ndarray]:
    """Value and gradient; weights [rank + 1, classes], features with a constant last [images, rank + 1]."""
    n = len(features)
    gradient = penalties * weights
    value = 0.5 * _dot(gradient, weights)
    for start in range(0, n, ROWS):
        rows, own = features[start : start + ROWS], truth[start : start + ROWS]
        images = np.arange(len(rows))
        logits = rows @ weights
        logits -= logits.max(axis=1, keepdims=True)
        of_truth = logits[images, own]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True)
        value += float((np.log(total[:, 0]) - of_truth).sum(dtype=np.float64)) / n
        logits /= n * total  # now probabilities, over the images
        logits[images, own] -= np.float32(1 / n)
        gradient += rows.T @ logits
    return value, gradient


def minimise(objective: Objective, start: np.ndarray, tolerance: float) -> np.ndarray:
    """L-BFGS with a backtracking line search, for a smooth convex function that is scaled so that a step of 1 is right.

    Args:
        objective: Value and gradient at a place.
        start: The first place, float32 of any shape.
        tolerance: The gradient's length at which to stop; up to ten times less where the value is below 1, as the
            curvature of a loss vanishes with it.

    Returns:
        The place found, float32; after `STEPS` steps, or where rounding lets nothing better be found, the best one.
    """
    place = start
    value, gradient = objective(place)
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=PAIRS)
    for _ in range(STEPS):
        if _dot(gradient, gradient) <= (tolerance * min(1.0, max(0.1, value))) ** 2:
            break
        direction = _direction(gradient, pairs)
        found = _search(objective, place, value, _dot(gradient, direction), direction)
        if found is None:
            break
        step, value, after = found
        change = after - gradient
        curved = _dot(step, change)
        if curved > 1e-10 * _dot(change, change):  # rounding can bend a flat function the wrong way
            pairs.append((step, change, 1 / curved))
        place, gradient = place + step, after
    return place


def _direction(gradient: np.ndarray, pairs: deque[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Downhill: the two loops over what is remembered (Liu and Nocedal 1989, section 2)."""
    direction = -gradient
    shares = []
    for step, change, inverse in reversed(pairs):
        shares.append(np.float32(inverse * _dot(step, direction)))
        direction -= shares[-1] * change
    if pairs:
        _, change, inverse = pairs[-1]
        direction *= np.float32(1 / (inverse * _dot(change, change)))
    for (step, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - np.float32(inverse * _dot(change, direction))) * step
    return direction


def _search(
    objective: Objective, place: np.ndarray, value: float, slope: float, direction: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """The first step that gains enough (Armijo), its value and gradient; None where none does."""
    length = 1.0
    while length > 1e-4:
        step = np.float32(length) * direction
        after, gradient = objective(place + step)
        if after <= value + 1e-4 * length * slope:
            return step, after, gradient
        least = -0.5 * slope * length / (after - value - slope * length)  # of the parabola through what is known
        length *= min(0.5, max(0.1, least))
    return None


def _dot(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.dot(one.ravel(), other.ravel()))
