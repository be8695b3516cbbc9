"""What corrupted images cost: ImageNet-C's corruptions, each model's errors under them, and who keeps most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from visavis.data.presets import CORRUPTIONS
from visavis.evaluate.robustness import METRICS, corruption_errors
from visavis.report.tables import leading_measure
from visavis.study.bootstrap import Resampling, estimate_accuracies, resampled_means, tails
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.viewed import (
    Seen,
    changed_views,
    compare_means,
    joined_by_measure,
    seen_under,
    with_accuracy,
)
from visavis.study.power import ALPHA
from visavis.study.wording import percent, points_with_interval

KINDS = tuple(kind for group in CORRUPTIONS.values() for kind in group)
MEAN = "mean"
HOW = "add --view corruptions:3 for one severity, or --view corruptions for all five"


def robustness(material: Material) -> Chapter:
    """Tables on the corruptions that the study has among its views; intervals and tests are over images.

    Returns:
        robustness: measure, corruption, severity, model, value (accuracy), low, high, n.
        robustness_severity: measure, severity (0 is clean), model, value (accuracy, mean over the corruptions, at the
            severities that all of them have), low, high, n.
        corruption_error: measure, corruption ("mean" last), model, metric (of `METRICS`), value, low, high, n; the
            first model that has the measure is the reference.
        robustness_pairs: measure, model_a (fewer errors), model_b, difference (in mean accuracy over the corruptions),
            low, high, n, p_value, p_adjusted.
    """
    views = changed_views(material, KINDS, HOW)
    resampling = Resampling(seed=material.plan.seed)
    found = {}
    for measure, seen in seen_under(material, views).items():
        by_kind = _by(views, 0)
        corrupted = _means(seen, by_kind)  # [images, corruptions, models]
        found[measure] = {
            "robustness": _accuracies(material, views, measure),
            "robustness_severity": _by_severity(seen, views, resampling),
            "corruption_error": _errors(seen, list(by_kind), corrupted, resampling),
            "robustness_pairs": compare_means(corrupted.mean(axis=1), seen, resampling),
        }
    tables = joined_by_measure(found)
    title, says = _findings(material, tables["corruption_error"], tables["robustness_pairs"])
    return Chapter(tables=tables, headline=title, says=says)


def _accuracies(material: Material, views: list[str], measure: str) -> pd.DataFrame:
    table = with_accuracy(material, views, measure)
    table.insert(0, "corruption", table["view"].str.partition(":")[0])
    table.insert(1, "severity", table["view"].str.partition(":")[2].astype(int))
    return table.drop(columns="view")


def _by_severity(seen: Seen, views: list[str], resampling: Resampling) -> pd.DataFrame:
    """Accuracy as the severity grows, averaged over corruptions."""
    n_kinds = len(_by(views, 0))
    by_severity = {"0": [0]} | {name: own for name, own in _by(views, 2).items() if len(own) == n_kinds}
    shares = _means(seen, by_severity)  # [images, severities, models]
    flat = shares.reshape(len(shares), -1)
    estimates = estimate_accuracies(flat, np.ones_like(flat), seen.strata, resampling)
    named = [(severity, model) for severity in map(int, by_severity) for model in seen.models]
    return pd.DataFrame(named, columns=["severity", "model"]).assign(
        value=estimates.value, low=estimates.low, high=estimates.high, n=estimates.n
    )


def _errors(seen: Seen, kinds: list[str], corrupted: np.ndarray, resampling: Resampling) -> pd.DataFrame:
    wrong = 1 - np.concatenate([seen.right[:, :1], corrupted], axis=1)  # [images, clean and corruptions, models]
    flat = wrong.reshape(len(wrong), -1)
    draws = resampled_means(flat, np.ones_like(flat), seen.strata, resampling).reshape(-1, *wrong.shape[1:])
    value = wrong.mean(axis=0)
    values, drawn = corruption_errors(value[0], value[1:]), corruption_errors(draws[:, 0], draws[:, 1:])
    ends = tails(seen.strata, resampling.level)
    named = [(kind, model) for kind in (*kinds, MEAN) for model in seen.models]
    tables = []
    for metric in METRICS:
        share = values[metric].ravel()
        low, high = np.quantile(drawn[metric], ends, axis=0).reshape(2, -1)
        known = np.isfinite(share) & np.isfinite(low) & np.isfinite(high)  # else a share of what may be nothing
        share, low, high = (np.where(known, each, np.nan) for each in (share, low, high))
        tables.append(
            pd.DataFrame(named, columns=["corruption", "model"]).assign(
                metric=metric, value=share, low=low, high=high, n=len(wrong)
            )
        )
    return pd.concat(tables, ignore_index=True)


def _by(views: list[str], part: int) -> dict[str, list[int]]:
    """Places of the views, clean being 0, by their kind (part 0) or by their severity (part 2), in order."""
    places: dict[str, list[int]] = {}
    for place, view in enumerate(views, start=1):
        places.setdefault(view.partition(":")[part], []).append(place)
    order = KINDS.index if part == 0 else int
    return {name: places[name] for name in sorted(places, key=order)}


def _means(seen: Seen, places: Mapping[str, list[int]]) -> np.ndarray:
    """Right answers averaged over each set of views, [images, sets, models]."""
    return np.stack([seen.right[:, own].mean(axis=1) for own in places.values()], axis=1)


def _findings(material: Material, errors: pd.DataFrame, pairs: pd.DataFrame) -> tuple[str, tuple[str, ...]]:
    """The headline, and what the verdict says where the best is told apart from all others."""
    measure = leading_measure(material.results, errors)
    mean = errors[(errors["measure"] == measure) & (errors["corruption"] == MEAN) & (errors["metric"] == "error")]
    ranked = mean.sort_values("value", kind="stable")
    best = ranked.iloc[0]
    share = percent(best["value"], best["low"], best["high"])
    n_kinds = errors["corruption"].nunique() - 1
    what = f"{n_kinds} corruption{'s' if n_kinds > 1 else ''}"
    if len(ranked) == 1:
        return f"{best['model']} is wrong on {share} of images under {what}", ()
    own = pairs[(pairs["measure"] == measure) & (pairs["model_a"] == best["model"])]
    separable = own[(own["p_adjusted"] < ALPHA) & (own["low"] > 0)]
    title = f"Under {what}, {best['model']} is wrong least often, on {share} of images"
    second = own[own["model_b"] == ranked["model"].iloc[1]].iloc[0]
    margin = points_with_interval(second["difference"], second["low"], second["high"])
    if len(separable) < len(ranked) - 1:
        return f"{title}, which does not separate it from all others", ()
    return title, (f"On corrupted images {best['model']} is best: it has {margin} more right than "
                   f"{second['model_b']}, averaged over {what}.",)  # fmt: skip
