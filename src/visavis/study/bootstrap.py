"""Intervals over images: one stratified bootstrap whose resamples all models, measures and differences share.

A resample draws, within each stratum, as many images as it has, with replacement. Because every column of a table
(a model's right answers, a difference between two models) is averaged over the same resamples, differences are paired.
The classes are the strata, as a test set's class sizes are chosen, not observed. A class with fewer than 20 test images
has too few to resample alone (one image would show no variance at all), so all such classes are one stratum; there the
mix of classes varies too, which makes intervals a little wider, never narrower.

Resamples of a handful of images know too little: a model that is right on all 40 images would get the interval
[100%, 100%]. Where fewer than six images are right, or wrong, or tell two models apart, where there are fewer than ten
groups, or where all resamples agree, a formula takes over: that of Clopper and Pearson for an accuracy, that of Bonett
and Price for a difference.

Images of one group (frames of a video, one emoji in several styles) tell less than as many lone ones, so whole groups
are drawn, and what an interval holds counts groups: its tails are those of Student's t, and the formulas get as many
images as the groups are worth. A column of group numbers beside the strata says what belongs together.
docs/statistics.md shows by simulation that these intervals hold.

Sources: Efron and Tibshirani 1993, An Introduction to the Bootstrap, sections 8 and 13. Clopper and Pearson 1934,
Biometrika 26. Bonett and Price 2012, Journal of Educational and Behavioral Statistics 37. Groups: Davison and Hinkley
1997, Bootstrap Methods and their Application, section 3.8; expanded percentiles, Hesterberg 2015, The American
Statistician 69; effective numbers, Korn and Graubard 1998, Survey Methodology 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

from visavis.errors import UsageError

DRAWS = 2000
LEVEL = 0.95
SMALL_CLASS = 20  # images
FEW = 6  # the fewest one-sided disagreements that an exact paired test calls significant at 5%: 2 / 2**6 < 0.05
FEW_GROUPS = 10  # with fewer, resamples of groups cannot show how groups differ
CHUNK = 60_000  # images resampled at once: what a processor's own memory holds
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


def strata_of(classes: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Numbers of the strata, from numbers of the classes, [images].

    Classes with fewer than `SMALL_CLASS` images become one stratum; while that has fewer, the next larger class
    joins it. Where images belong together, groups count in place of images; if one holds several classes, all groups
    are one stratum, as a part of a group cannot be drawn without the rest.

    Args:
        classes: [images].
        groups: Numbers of what belongs together, [images]; None where each image stands alone.

    Returns:
        [images]; with groups [images, 2], whose second column is the group.
    """
    if groups is None:
        return _pooled(classes)
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    of_group = classes[first]
    parted = (classes == of_group[group]).all()
    strata = _pooled(of_group) if parted else np.zeros(len(first), int)
    return np.column_stack([strata[group], group])


def _pooled(classes: np.ndarray) -> np.ndarray:
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
        strata: Of `strata_of`.
        resampling: Draws, level and seed.
    """
    asked = weights > 0
    right = np.where(asked, right, 0.0)
    value = (right * weights).sum(axis=0) / weights.sum(axis=0)
    low, high = _percentiles(resampled_means(right, weights, strata, resampling), strata, resampling.level)
    # unequal weights are worth fewer images: Kish's effective number; n itself where all are equal
    effective = weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0) / design_effects(right, weights, strata)
    normal, wanted = ndtri((1 + resampling.level) / 2), _quantile(strata, resampling.level)
    effective *= (normal / wanted) ** 2  # Korn and Graubard 1998: few groups are worth fewer images again
    exact_low, exact_high = clopper_pearson(value * effective, effective, resampling.level)
    few = (np.minimum(value, 1 - value) * effective < FEW - EQUAL) | (high - low < EQUAL) | (wanted > normal)
    low, high = np.where(few, exact_low, low), np.where(few, exact_high, high)
    return Estimates(value=value, low=np.minimum(low, value), high=np.maximum(high, value), n=asked.sum(axis=0))


def estimate_contrasts(
    contrasts: np.ndarray, strata: np.ndarray, largest: np.ndarray, resampling: Resampling
) -> Estimates:
    """Means of per-image differences with their intervals.

    Args:
        contrasts: For each image a difference between models, NaN where one was not asked, [images, columns].
        strata: Of `strata_of`.
        largest: The largest difference one image can show, [columns].
        resampling: Draws, level and seed.
    """
    asked = ~np.isnan(contrasts)
    contrasts, weights = np.where(asked, contrasts, 0.0), asked.astype(float)
    n = asked.sum(axis=0)
    value = contrasts.sum(axis=0) / n
    low, high = _percentiles(resampled_means(contrasts, weights, strata, resampling), strata, resampling.level)
    centre, error = with_one_more_each(contrasts, n, design_effects(contrasts, weights, strata), largest)
    normal, wanted = ndtri((1 + resampling.level) / 2), _quantile(strata, resampling.level)
    half = wanted * error
    telling = (np.abs(group_sums(contrasts, strata)) > EQUAL).sum(axis=0)
    few = (telling < FEW) | (high - low < EQUAL) | (wanted > normal)
    low = np.where(few, np.maximum(centre - half, -largest), low)
    high = np.where(few, np.minimum(centre + half, largest), high)
    return Estimates(value=value, low=np.minimum(low, value), high=np.maximum(high, value), n=n)


def with_one_more_each(
    contrasts: np.ndarray, n: np.ndarray, effects: np.ndarray, largest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors of differences after adding one image for each side: Bonett and Price's.

    Args:
        contrasts: 0 where an image was not asked, [images, columns].
        n: Images that were asked, [columns].
        effects: Of `design_effects`, [columns].
        largest: The difference that the added images show, [columns]; 1 for two models.
    """
    count = n / effects + 2
    centre = contrasts.sum(axis=0) / effects / count
    square = ((contrasts**2).sum(axis=0) / effects + 2 * largest**2) / count
    return centre, np.sqrt((square - centre**2) / count)


def design_effects(values: np.ndarray, weights: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """How many images of these groups tell as much as one that stands alone, at least 1, [columns].

    Source: Kish 1965, Survey Sampling, section 5.4. Where all images are alike nothing can be seen of that, and a group
    counts as one image.

    Args:
        values: [images, columns].
        weights: [images, columns].
        strata: Of `strata_of`; without groups all effects are 1.
    """
    if strata.ndim == 1:
        return np.ones(values.shape[1])
    residuals = (values - (values * weights).sum(axis=0) / weights.sum(axis=0)) * weights
    alone, together = (residuals**2).sum(axis=0), (group_sums(residuals, strata) ** 2).sum(axis=0)
    groups = (group_sums(weights, strata) > 0).sum(axis=0)
    of_one_kind = (weights > 0).sum(axis=0) / groups
    with np.errstate(invalid="ignore"):  # 0 / 0, put right at once
        effects = together / alone * groups / np.maximum(groups - 1, 1)
    return np.maximum(1.0, np.where(alone > EQUAL, effects, of_one_kind))


def group_sums(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Sums over each group, [groups, columns]; the values themselves, [images, columns], where there are no groups."""
    if strata.ndim == 1:
        return values
    order = np.argsort(strata[:, 1], kind="stable")
    _, first = np.unique(strata[order, 1], return_index=True)
    return np.add.reduceat(values[order], first, axis=0)


def resampled_means(values: np.ndarray, weights: np.ndarray, strata: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Weighted means of each column in each resample.

    Args:
        values: [images, columns].
        weights: [images, columns].
        strata: Of `strata_of`, or any numbers of strata, [images].
        resampling: Draws and seed.

    Returns:
        [draws, columns]; NaN where a resample holds no image that counts.
    """
    columns = values.shape[1]
    sums = group_sums(np.hstack([values * weights, weights]), strata)  # [images, 2 * columns], or of groups
    if strata.ndim == 2:
        strata = strata[np.unique(strata[:, 1], return_index=True)[1], 0]
    images = len(strata)
    order = np.argsort(strata, kind="stable")
    _, first, size = np.unique(strata[order], return_index=True, return_counts=True)
    first, size = np.repeat(first, size), np.repeat(size, size)  # [images], of the stratum at that place
    sums = sums[order]
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


def _quantile(strata: np.ndarray, level: float) -> float:
    """How many standard errors an interval reaches to each side: by Student's law where groups are few."""
    groups = len(np.unique(strata[:, 1])) if strata.ndim == 2 else FEW_GROUPS
    tail = (1 + level) / 2
    return float(ndtri(tail) if groups >= FEW_GROUPS else stdtrit(max(groups - 1, 1), tail))


def _percentiles(means: np.ndarray, strata: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the resamples."""
    low, high = np.nanquantile(means, tails(strata, level), axis=0)
    return low, high


def tails(strata: np.ndarray, level: float) -> tuple[float, float]:
    """Between which quantiles of resamples an interval lies.

    With groups they lie so far out that a normal scatter of as many groups gives Student's interval.

    Args:
        strata: Of `strata_of`.
        level: Of the interval.
    """
    tail = (1 - level) / 2
    if strata.ndim == 2:
        groups = even_groups(strata)
        tail = float(ndtr(np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, tail)))
    return tail, 1 - tail


def even_groups(strata: np.ndarray) -> float:
    """How many groups of one size these are worth, at least 2: Kish's number. To be asked where there are groups."""
    sizes = np.bincount(strata[:, 1])
    return float(max(2, sizes.sum() ** 2 / (sizes**2).sum()))
