"""Does a model know when it is wrong? Accuracy where the least sure images are left to a person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from visavis.evaluate.calibration import image_scores
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.selective import kept, least_area, risk_coverage_area
from visavis.report.tables import leading_measure
from visavis.study.areas import area_intervals
from visavis.study.bootstrap import Resampling, estimate_accuracies, resampled_means, tails
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import Tested, images_of, measures_shown, models_of, probabilities_of
from visavis.study.wording import percent, points_with_interval

REJECTED = tuple(round(0.05 * step, 2) for step in range(19))  # 0 to 90% of the images
SAID = 0.1  # of the images rejected, in sentences
FEWEST_IMAGES = 20


def selective(material: Material) -> Chapter:
    """Accuracy on the images that are kept, and the area under risk and coverage, with their intervals.

    Which images are kept is held fixed in the resamples, as the user who sets a threshold would.

    Returns:
        selective: measure, model, rejected (share), value (accuracy on the rest), low, high, n (images kept).
        selective_gain: measure, model, rejected, difference (to the accuracy on all), low, high.
        selective_area: measure, model, metric ("aurc", or "aurc_least", of an order that puts all errors last), value,
            low, high, n.
    """
    images = images_of(material)
    n = len(images.truth)
    if n < FEWEST_IMAGES:
        raise NotMeasurable(f"Risk and coverage need at least {FEWEST_IMAGES} test images; there are {n}.")
    cells = [(measure, model) for measure in measures_shown(material) for model in models_of(material, measure)]
    if not cells:
        raise NotMeasurable("No measure of this study gives probabilities.")
    scores = [image_scores(probabilities_of(material, images, *cell), images.truth) for cell in cells]
    confidence = np.column_stack([one.confidence for one in scores])  # [images, cells]
    right = np.column_stack([one.right for one in scores])
    resampling = Resampling(seed=material.plan.seed)
    curve, gain = _curve(cells, confidence, right, images, resampling)
    area = _areas(cells, confidence, right, images, resampling)
    return Chapter(
        tables={"selective": curve, "selective_gain": gain, "selective_area": area},
        headline=_headline(material, curve, gain),
    )


def _curve(
    cells: list[tuple[str, str]], confidence: np.ndarray, right: np.ndarray, images: Tested, resampling: Resampling
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracies on the kept images, and what rejecting `SAID` gains, from the same resamples."""
    weights = np.hstack([_kept(confidence, rejected) for rejected in REJECTED])  # [images, rejected * cells]
    answers = np.tile(right, len(REJECTED))
    estimates = estimate_accuracies(answers, weights, images.strata, resampling)
    named = [(*cell, rejected) for rejected in REJECTED for cell in cells]
    curve = pd.DataFrame(named, columns=["measure", "model", "rejected"])
    curve = curve.assign(value=estimates.value, low=estimates.low, high=estimates.high, n=estimates.n)
    n_kept = _kept(confidence, SAID)
    both = resampled_means(np.tile(right, 2), np.hstack([n_kept, np.ones_like(right)]), images.strata, resampling)
    gained = both[:, : len(cells)] - both[:, len(cells) :]  # [draws, cells]
    value = (right * n_kept).sum(axis=0) / n_kept.sum(axis=0) - right.mean(axis=0)
    ends = tails(images.strata, resampling.level)
    low, high = np.nanquantile(gained, ends, axis=0)
    gain = pd.DataFrame(cells, columns=["measure", "model"]).assign(
        rejected=SAID, difference=value, low=np.minimum(low, value), high=np.maximum(high, value)
    )
    return curve, gain


def _kept(confidence: np.ndarray, rejected: float) -> np.ndarray:
    return np.column_stack([kept(column, 1 - rejected) for column in confidence.T])


def _areas(
    cells: list[tuple[str, str]], confidence: np.ndarray, right: np.ndarray, images: Tested, resampling: Resampling
) -> pd.DataFrame:
    found = [risk_coverage_area(sure, 1 - own) for sure, own in zip(confidence.T, right.T, strict=True)]
    influence = np.column_stack([each for _, each in found])
    draws = resampled_means(influence, np.ones_like(influence), images.strata, resampling)
    n = len(right)
    bounds = area_intervals(np.array([area for area, _ in found]), draws, n, resampling)
    rows = []
    for place, cell in enumerate(cells):
        rows.append((*cell, "aurc", found[place][0], *bounds[:, place], n))
        rows.append((*cell, "aurc_least", least_area(int(n - right[:, place].sum()), n), np.nan, np.nan, n))
    return pd.DataFrame(rows, columns=["measure", "model", "metric", "value", "low", "high", "n"])


def _headline(material: Material, curve: pd.DataFrame, gain: pd.DataFrame) -> str:
    """What the best model of the headline's measure gains when its least sure tenth goes to a person."""
    measure = leading_measure(material.results, curve)
    own = curve[curve["measure"] == measure]
    best = own[own["rejected"] == 0].sort_values("value", ascending=False, kind="stable")["model"].iloc[0]
    row = own[(own["model"] == best) & (own["rejected"] == SAID)].iloc[0]
    change = gain[(gain["measure"] == measure) & (gain["model"] == best)].iloc[0]
    share = percent(row["value"], row["low"], row["high"])
    words = points_with_interval(change["difference"], change["low"], change["high"])
    return f"Without the {SAID:.0%} it is least sure of, {best} has {share} right, {words} more than of all"
