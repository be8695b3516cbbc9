"""Intervals over images: one stratified bootstrap whose resamples all models, measures and differences share.

A resample draws, within each stratum, as many images as it has, with replacement. Because every column of a table
(a model's right answers, a difference between two models) is averaged over the same resamples, differences are paired.
The classes are the strata, as a test set's class sizes are chosen, not observed. A class with fewer than 20 test images
has too few to resample alone (one image would show no variance at all), so all such classes are one stratum; there the
mix of classes varies too, which makes intervals a little wider, never narrower.

Resamples of a handful of images know too little: a model that is right on all 40 images would get the interval
[100%, 100%]. Where fewer than six images are right, or wrong, or tell two models apart, or where all resamples agree, a
formula takes over: Clopper and Pearson's for an accuracy, Bonett and Price's for a difference.

Sources: Efron and Tibshirani 1993, An Introduction to the Bootstrap, sections 8 and 13. Clopper and Pearson 1934,
Biometrika 26. Bonett and Price 2012, Journal of Educational and Behavioral Statistics 37.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri

from visavis.errors import UsageError

DRAWS = 2000
LEVEL = 0.95
SMALL_CLASS = 20  # images
FEW = 6  # the fewest one-sided disagreements that an exact paired test calls significant at 5%: 2 / 2**6 < 0.05
CHUNK = 2_000_000  # resampled images held at once: about 100 MB
EQUAL = 1e-9  # sums of sixths and thirds are not exact


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How many resamples are drawn, from which seed, and which share of them an interval holds."""

    draws: int = DRAWS
    level: float = LEVEL
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise UsageError(f"draws must be at least 1, not {self.draws}. 2000 is usual.")
        if not 0 < self.level < 1:
            raise UsageError(f"level must lie between 0 and 1, not {self.level}. 0.95 is usual.")


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Values with their intervals and numbers of images, each [columns]."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


def strata_of(classes: np.ndarray) -> np.ndarray:
    """Numbers of the strata, [images], from numbers of the classes, [images].

    Classes with fewer than `SMALL_CLASS` images become one stratum; while that has fewer, the next larger class
    joins it.
    """
    sizes = np.bincount(classes)  # [classes]
    small = np.zeros(len(sizes), bool)
    pooled = 0
    for number in np.argsort(sizes, kind="stable"):
        if sizes[number] >= SMALL_CLASS and not 0 < pooled < SMALL_CLASS:
            break
        small[number] = True
        pooled += sizes[number]
    return np.where(small[classes], len(sizes), classes)


def estimate_accuracies(
    right: np.ndarray, weights: np.ndarray, strata: np.ndarray, resampling: Resampling
) -> Estimates:
    """Weighted shares of right answers with their intervals.

    Args:
        right: 1 or 0, [images, columns]; of no meaning where the weight is 0.
        weights: What an image counts in a column, 0 where it was not asked, [images, columns].
        strata: [images].
        resampling: Draws, level and seed.
    """
    asked = weights > 0
    right = np.where(asked, right, 0.0)
    value = (right * weights).sum(axis=0) / weights.sum(axis=0)
    low, high = _percentiles(resampled_means(right, weights, strata, resampling), resampling.level)
    # unequal weights are worth fewer images: Kish's effective number; n itself where all are equal
    effective = weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0)
    exact_low, exact_high = clopper_pearson(value * effective, effective, resampling.level)
    few = (np.minimum(value, 1 - value) * effective < FEW - EQUAL) | (high - low < EQUAL)
    low, high = np.where(few, exact_low, low), np.where(few, exact_high, high)
    return Estimates(value=value, low=np.minimum(low, value), high=np.maximum(high, value), n=asked.sum(axis=0))


def estimate_contrasts(
    contrasts: np.ndarray, strata: np.ndarray, largest: np.ndarray, resampling: Resampling
) -> Estimates:
    """Means of per-image differences with their intervals.

    Args:
        contrasts: For each image a difference between models, NaN where one was not asked, [images, columns].
        strata: [images].
        largest: The largest difference one image can show, [columns].
        resampling: Draws, level and seed.
    """
    asked = ~np.isnan(contrasts)
    contrasts = np.where(asked, contrasts, 0.0)
    n = asked.sum(axis=0)
    value = contrasts.sum(axis=0) / n
    low, high = _percentiles(resampled_means(contrasts, asked.astype(float), strata, resampling), resampling.level)
    # Bonett and Price: the normal interval after adding one image for each side; their pair has largest = 1
    centre = contrasts.sum(axis=0) / (n + 2)
    square = ((contrasts**2).sum(axis=0) + 2 * largest**2) / (n + 2)
    half = ndtri((1 + resampling.level) / 2) * np.sqrt((square - centre**2) / (n + 2))
    few = ((np.abs(contrasts) > EQUAL).sum(axis=0) < FEW) | (high - low < EQUAL)
    low = np.where(few, np.maximum(centre - half, -largest), low)
    high = np.where(few, np.minimum(centre + half, largest), high)
    return Estimates(value=value, low=np.minimum(low, value), high=np.maximum(high, value), n=n)


def resampled_means(values: np.ndarray, weights: np.ndarray, strata: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Weighted means of each column in each resample.

    Args:
        values: [images, columns].
        weights: [images, columns].
        strata: [images].
        resampling: Draws and seed.

    Returns:
        [draws, columns]; NaN where a resample holds no image that counts.
    """
    images, columns = values.shape
    order = np.argsort(strata, kind="stable")
    _, first, size = np.unique(strata[order], return_index=True, return_counts=True)
    first, size = np.repeat(first, size), np.repeat(size, size)  # [images], of the stratum at that place
    sums = np.hstack([values * weights, weights])[order]  # [images, 2 * columns]
    generator = np.random.default_rng(resampling.seed)
    means = np.empty((resampling.draws, columns))
    step = max(1, CHUNK // images)
    for start in range(0, resampling.draws, step):
        rows = min(step, resampling.draws - start)
        picked = (generator.random((rows, images)) * size).astype(np.int64) + first
        picked += images * np.arange(rows)[:, None]
        counts = np.bincount(picked.ravel(), minlength=rows * images).reshape(rows, images)
        totals = counts @ sums  # [rows, 2 * columns]
        with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is meant
            means[start : start + rows] = totals[:, :columns] / totals[:, columns:]
    return means


def clopper_pearson(right: np.ndarray, n: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The exact binomial interval for `right` of `n`, each [columns]: low and high. Never shorter than its level."""
    tail = (1 - level) / 2
    wrong = np.maximum(n - right, 0.0)
    low = np.where(right > 0, betaincinv(np.maximum(right, EQUAL), wrong + 1, tail), 0.0)
    high = np.where(wrong > 0, betaincinv(right + 1, np.maximum(wrong, EQUAL), 1 - tail), 1.0)
    return low, high


def _percentiles(means: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
