"""Can the models' probabilities be believed, as they come and after temperature scaling?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from visavis.evaluate.calibration import (
    ImageScores,
    equal_mass_bins,
    error_if_calibrated,
    expected_calibration_error,
    fit_on_other_half,
    image_scores,
    logarithms,
    scaled,
    squared_error_debiased,
)
from visavis.evaluate.scores import NotMeasurable
from visavis.report.tables import headline, leading_measure
from visavis.study.bootstrap import Resampling, clopper_pearson, resampled_means, tails
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import Tested, images_of, measures_shown, models_of, probabilities_of
from visavis.study.wording import percent, points_with_interval

FEWEST_IMAGES = 20  # two bins of ten
WORTH_SAYING = 0.05  # a model whose confidence is off by more is told of in the verdict
METRICS = ("ece", "ece_if_calibrated", "l2_error_debiased", "overconfidence", "brier", "nll")


class _Judged(NamedTuple):
    """A model's probabilities under one measure, as they come or scaled, by what each image adds to their scores."""

    measure: str
    model: str
    scaling: str
    scores: ImageScores
    bins: np.ndarray


def calibration(material: Material) -> Chapter:
    """Tables of errors and proper scores with their intervals, of reliability by bins, and of temperatures.

    The temperatures are fitted by two-fold cross-fitting: each half of the test images is judged at the temperature of
    the other half. The intervals hold them fixed: one number from hundreds of images varies little beside the rest.

    Returns:
        calibration: measure, model, scaling ("none" or "temperature"), metric, value, low, high, n.
        temperature_gains: measure, model, metric ("brier" or "nll"), difference (with the temperature less without;
            below 0 it helps), low, high, n.
        reliability: measure, model, scaling, bin, n, confidence, accuracy, low, high.
        temperatures: measure, model, half, temperature, n (images it was fitted on).
    """
    images = images_of(material)
    n = len(images.truth)
    if n < FEWEST_IMAGES:
        raise NotMeasurable(f"Calibration needs at least {FEWEST_IMAGES} test images; there are {n}.")
    cells = [(measure, model) for measure in measures_shown(material) for model in models_of(material, measure)]
    if not cells:
        raise NotMeasurable("No measure of this study gives probabilities.")
    judged, temperatures = [], []
    for cell in cells:
        pair, fitted = _judge(cell, probabilities_of(material, images, *cell), images)
        judged.append(pair)
        for half, temperature in enumerate(fitted, start=1):
            temperatures.append((*cell, half, temperature, int((images.second == (half == 1)).sum())))
    table, gains = _errors(judged, images, Resampling(seed=material.plan.seed))
    first = _leading(material, table)
    return Chapter(
        tables={
            "calibration": table,
            "temperature_gains": gains,
            "reliability": pd.concat([_reliability(one) for pair in judged for one in pair], ignore_index=True),
            "temperatures": pd.DataFrame(temperatures, columns=["measure", "model", "half", "temperature", "n"]),
        },
        headline=_headline(first),
        says=_says(first),
    )


def _judge(
    cell: tuple[str, str], probabilities: np.ndarray, images: Tested
) -> tuple[tuple[_Judged, _Judged], tuple[float, float]]:
    """A measure and model as it comes and at its temperatures, and these."""
    logits = logarithms(probabilities)
    fitted = fit_on_other_half(logits, images.truth, images.second)
    plain = image_scores(probabilities, images.truth)
    warm = image_scores(scaled(logits, fitted, images.second), images.truth)
    return (
        _Judged(*cell, "none", plain, equal_mass_bins(plain.confidence)),
        _Judged(*cell, "temperature", warm, equal_mass_bins(warm.confidence)),
    ), fitted


def _errors(
    judged: list[tuple[_Judged, _Judged]], images: Tested, resampling: Resampling
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`METRICS` of each, and what temperatures change in the two scores, all from the same resamples."""
    parts = [_columns(one) for pair in judged for one in pair]
    values = np.hstack(parts)
    draws = resampled_means(values, np.ones_like(values), images.strata, resampling)
    own = np.split(draws, np.cumsum([part.shape[1] for part in parts])[:-1], axis=1)  # one for each of `parts`
    ends = tails(images.strata, resampling.level)
    tables, gains = [], []
    for (plain, warm), before, after in zip(judged, own[::2], own[1::2], strict=True):
        tables += [_metrics(plain, before, ends), _metrics(warm, after, ends)]
        gains.append(_gain(plain, warm, after[:, 1:3] - before[:, 1:3], ends))
    return pd.concat(tables, ignore_index=True), pd.concat(gains, ignore_index=True)


def _columns(one: _Judged) -> np.ndarray:
    """What is resampled: gap, Brier score, log loss, and each bin's part of the gap, [images, 3 + bins]."""
    in_bin = one.bins[:, None] == np.arange(one.bins.max() + 1)  # [images, bins]
    return np.column_stack([one.scores.gap, one.scores.brier, one.scores.nll, one.scores.gap[:, None] * in_bin])


def _gain(plain: _Judged, warm: _Judged, draws: np.ndarray, ends: tuple[float, float]) -> pd.DataFrame:
    """Paired differences of Brier score and log loss; draws are [draws, 2]."""
    low, high = np.quantile(draws, ends, axis=0)
    differences = [(warm.scores.brier - plain.scores.brier).mean(), (warm.scores.nll - plain.scores.nll).mean()]
    named = {"measure": plain.measure, "model": plain.model, "metric": ["brier", "nll"]}
    return pd.DataFrame(named | {"difference": differences, "low": low, "high": high, "n": len(plain.bins)})


def _metrics(one: _Judged, draws: np.ndarray, ends: tuple[float, float]) -> pd.DataFrame:
    """One row a metric; draws are of the means of `_columns`, [draws, 3 + bins]."""
    gap, n = one.scores.gap, len(one.scores.gap)
    share = np.bincount(one.bins) / n
    by_chance = error_if_calibrated(one.scores.confidence, one.bins)
    squared = squared_error_debiased(gap, one.bins)
    rows = {
        "ece": _about(expected_calibration_error(gap, one.bins), np.abs(draws[:, 3:]).sum(axis=1), ends, by_chance),
        "ece_if_calibrated": (by_chance, np.nan, np.nan),
        "l2_error_debiased": _root(_about(squared, (draws[:, 3:] ** 2 / share).sum(axis=1), ends)),
    }
    means = {"overconfidence": gap, "brier": one.scores.brier, "nll": one.scores.nll}
    for place, (name, each) in enumerate(means.items()):
        rows[name] = (each.mean(), *np.quantile(draws[:, place], ends))
    table = pd.DataFrame([(name, *rows[name]) for name in METRICS], columns=["metric", "value", "low", "high"])
    named = {"measure": one.measure, "model": one.model, "scaling": one.scaling}
    return table.assign(**named, n=n)[["measure", "model", "scaling", "metric", "value", "low", "high", "n"]]


def _about(value: float, draws: np.ndarray, ends: tuple[float, float], bias: float = 0.0) -> tuple[float, float, float]:
    """The value with the interval of what it would be for endless images.

    An error of resamples is larger than the sample's own by what resampling adds, so only their scatter about their own
    mean counts, laid about the value (Efron and Tibshirani 1993, section 10.6). `bias` is the most by which the value
    itself may be too large: the lower end allows for it.
    """
    below, above = np.quantile(draws, ends) - draws.mean()
    return value, min(max(value - bias - above, 0.0), value), max(value - below, 0.0)


def _root(squares: tuple[float, float, float]) -> tuple[float, ...]:
    return tuple(float(np.sqrt(max(square, 0.0))) for square in squares)


def _reliability(one: _Judged) -> pd.DataFrame:
    n = np.bincount(one.bins)
    right = np.bincount(one.bins, one.scores.right)
    low, high = clopper_pearson(right, n)
    return pd.DataFrame(
        {
            "measure": one.measure, "model": one.model, "scaling": one.scaling, "bin": np.arange(1, len(n) + 1), "n": n,
            "confidence": np.bincount(one.bins, one.scores.confidence) / n, "accuracy": right / n, "low": low,
            "high": high,
        }
    )  # fmt: skip


def _leading(material: Material, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the measure that leads the report, or of the first there is; its best model stands first."""
    results = material.results
    view, own = headline(results)[0], table[table["measure"] == leading_measure(results, table)]
    ranked = results[(results["view"] == view) & (results["metric"] == "accuracy")]
    ranked = ranked[ranked["measure"] == own["measure"].iloc[0]].sort_values("value", ascending=False, kind="stable")
    place = {model: number for number, model in enumerate(ranked["model"])}
    return own.sort_values("model", key=lambda names: names.map(place), kind="stable")


def _headline(leading: pd.DataFrame) -> str:
    """The least and the most wrong confidence, by the debiased error of probabilities as they come."""
    chosen = (leading["metric"] == "l2_error_debiased") & (leading["scaling"] == "none")
    errors = leading[chosen].sort_values("value", kind="stable")
    best, worst = errors.iloc[0], errors.iloc[-1]
    if len(errors) == 1:
        return f"{best['model']}’s confidence is off by {_off(best)}"
    return f"{best['model']}’s confidence is off by {_off(best)}, {worst['model']}’s by {_off(worst)}"


def _says(leading: pd.DataFrame) -> tuple[str, ...]:
    """Whether the best model's confidence may be taken at its word."""
    own = leading[leading["model"] == leading["model"].iloc[0]].set_index(["metric", "scaling"])
    error, sure = own.loc[("l2_error_debiased", "none")], own.loc[("overconfidence", "none")]
    if not error["low"] > WORTH_SAYING or sure["low"] <= 0 <= sure["high"]:
        return ()
    after = own.loc[("l2_error_debiased", "temperature")]
    size = (abs(sure["value"]), *sorted((abs(sure["low"]), abs(sure["high"]))))
    word = "more" if sure["value"] > 0 else "less"
    helped = f"; with a temperature it is off by {_off(after)}" if after["high"] < error["low"] else ""
    return (
        f"{own['model'].iloc[0]} is {points_with_interval(*size)} {word} confident than right, so read its "
        f"percentages as an order{helped}.",
    )


def _off(row: pd.Series) -> str:
    return percent(row["value"], row["low"], row["high"])
