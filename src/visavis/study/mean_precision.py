"""Intervals and tests of mean average precision (mAP), from resamples of images that all models share.

With few images a class's average precision is too high by chance, and higher again in resamples, in which an image may
come twice; and no mean can pass 1. So its interval is symmetric in log odds, moved by as much as resamples are too
high. Two models err alike, so their difference takes plain percentiles, and its test asks which share of the resamples
lies on the other side of zero. Where fewer than six images of a class stand behind others, or at different places,
resamples know too little: a formula for shares takes over, as for accuracies (`visavis.study.bootstrap`).

`python benchmarks/coverage_map.py` simulates whether this holds. Sources: Boyd, Eng and Page 2013, Area under the
Precision-Recall Curve: Point Estimates and Confidence Intervals, ECML PKDD (log odds); Efron and Tibshirani 1993, An
Introduction to the Bootstrap, sections 10.3 (bias) and 15.4 (tests).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri, stdtr

from visavis.evaluate.multi_label import average_precisions, precisions_at_each
from visavis.study.bootstrap import FEW, Resampling, clopper_pearson, even_groups, tails, with_one_more_each

ALMOST = 1e-6  # from 0 and 1, where log odds have no end


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images that models order for each class, and their resamples.

    Attributes:
        right: Whether an image has a class, bool [images, classes]; each class in the mean.
        strata: Zeros, [images]; with groups [images, 2], whose second column is the group.
        counts: How often an image is in each resample, [1 + draws, images]; the first row counts each once.
        level: Of the intervals.
    """

    right: np.ndarray
    strata: np.ndarray
    counts: np.ndarray
    level: float

    @property
    def worth(self) -> int:
        """How many images, or groups, tell of a class."""
        telling = self.right.any(axis=1)
        return int(telling.sum()) if self.strata.ndim == 1 else len(np.unique(self.strata[telling, 1]))


@dataclass(frozen=True, kw_only=True)
class Order:
    """How well one model orders the images.

    Attributes:
        means: Mean average precision, [1 + draws], the first of the images themselves.
        places: For each image and class it has, the precision down to there, [images with classes].
    """

    means: np.ndarray
    places: np.ndarray


def resampled(right: np.ndarray, groups: np.ndarray | None, resampling: Resampling) -> Images:
    """Images drawn with replacement, or whole groups of them.

    Args:
        right: As in `Images`.
        groups: Numbers of what belongs together, [images]; None where each image stands alone.
        resampling: Draws, level and seed.
    """
    numbers = np.arange(len(right)) if groups is None else groups
    n_groups = int(numbers.max()) + 1
    generator = np.random.default_rng(resampling.seed)
    counts = generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=resampling.draws)[:, numbers]
    strata = np.zeros(len(right), int)
    return Images(
        right=right,
        strata=strata if groups is None else np.column_stack([strata, groups]),
        counts=np.vstack([np.ones(len(right), int), counts]),
        level=resampling.level,
    )


def order_of(scores: np.ndarray, images: Images) -> Order:
    """A model's order of the images, by its scores for each class, [images, classes]."""
    precisions = average_precisions(scores, images.right, images.counts)  # [1 + draws, classes]
    known = (~np.isnan(precisions)).sum(axis=1)
    with np.errstate(invalid="ignore"):  # 0 / 0 of a resample without any of the classes, which is left out below
        means = np.nansum(precisions, axis=1) / known
    return Order(means=means, places=precisions_at_each(scores, images.right)[images.right])


def interval(order: Order, images: Images) -> tuple[float, float, float]:
    """A model's mean average precision, and between which values it lies."""
    value = float(order.means[0])
    if (order.places < 1).sum() < FEW:
        low, high = clopper_pearson(np.array([value * images.worth]), np.array([images.worth]), images.level)
        return value, float(min(low[0], value)), float(max(high[0], value))
    odds = logit(np.clip(order.means, ALMOST, 1 - ALMOST))
    reach = -ndtri(tails(images.strata, images.level)[0])
    centre, half = 2 * odds[0] - np.nanmean(odds[1:]), reach * np.nanstd(odds[1:])
    return value, float(min(expit(centre - half), value)), float(max(expit(centre + half), value))


def difference(a: Order, b: Order, images: Images) -> tuple[float, float, float, float]:
    """How much higher `a`'s mean average precision is, between which values that lies, and a two-sided p-value."""
    gaps = a.means - b.means
    value, apart = float(gaps[0]), a.places - b.places
    if (apart != 0).sum() < FEW:
        effect = np.array([len(apart) / images.worth])  # several classes of an image tell no more than one
        centre, error = with_one_more_each(apart[:, None], np.array([len(apart)]), effect, np.ones(1))
        half = -ndtri(tails(images.strata, images.level)[0]) * error
        p_value = _two_sided(float(ndtr(-np.abs(centre) / error)[0]), images.strata)
        return value, float(min(centre[0] - half[0], value)), float(max(centre[0] + half[0], value)), p_value
    beyond = min((gaps[1:] <= 0).sum(), (gaps[1:] >= 0).sum()) + 1
    p_value = _two_sided(min(beyond / len(gaps), 0.5), images.strata)
    low, high = np.nanquantile(gaps[1:], tails(images.strata, images.level))
    return value, float(min(low, value)), float(max(high, value)), p_value


def _two_sided(share: float, strata: np.ndarray) -> float:
    """The p-value of a share of resamples beyond zero, at which an interval by `tails` would end there."""
    if strata.ndim == 1:
        return 2 * share
    groups = even_groups(strata)  # by Student's law for as many
    return float(2 * stdtr(groups - 1, ndtri(share) * np.sqrt((groups - 1) / groups)))
