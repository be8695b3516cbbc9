"""Local or global? What models keep of their accuracy as shape, detail or parts of the image are taken away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from visavis.data.presets import LEVELS, OUTLINES
from visavis.evaluate.levels import kept_share
from visavis.evaluate.scores import NotMeasurable
from visavis.report.tables import leading_measure
from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.viewed import (
    CLEAN,
    Seen,
    changed_views,
    compare_means,
    joined_by_measure,
    seen_under,
    with_accuracy,
)
from visavis.study.power import ALPHA
from visavis.study.wording import percent

NO_CHANGE = {"patch_shuffle": 1, "occlusion": 0}  # the level at which a kind changes nothing
OUTLINE = "outline"  # silhouette, edges and retextured together: shape without its texture
SHUFFLED = "patch_shuffle"  # texture without its shape
HOW = "add --view levels, or single views such as patch_shuffle:4 and edges"


def levels(material: Material) -> Chapter:
    """Tables on the views that take shape, texture, detail or parts away; intervals and tests are over images.

    Returns:
        levels: measure, kind, level (empty for outlines), model, value (accuracy), low, high, n; a kind whose first
            level changes nothing has the clean accuracy there.
        levels_kept: measure, kind (outlines as one kind), model (above chance on clean images), value (share of the
            clean accuracy that is left, mean over the levels), low, high, n.
        levels_pairs: measure, kind, model_a (keeps more), model_b, difference (of those shares), low, high, n, p_value,
            p_adjusted (within the kind).
    """
    views = changed_views(material, (*LEVELS, *OUTLINES), HOW)
    resampling = Resampling(seed=material.plan.seed)
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for measure, seen in seen_under(material, views).items():
        able = _above_chance(seen, 1 / len(material.plan.classes), resampling)
        if not able.models:
            continue
        kept, pairs = _kept(able, views, resampling)
        accuracies = _accuracies(with_accuracy(material, [CLEAN, *views], measure))
        found[measure] = {"levels": accuracies, "levels_kept": kept, "levels_pairs": pairs}
    if not found:
        raise NotMeasurable("No model is above chance on the unchanged images, so there is nothing to keep.")
    tables = joined_by_measure(found)
    return Chapter(tables=tables, headline=_headline(material, tables["levels_kept"], tables["levels_pairs"]))


def _above_chance(seen: Seen, chance: float, resampling: Resampling) -> Seen:
    """Of the models those whose clean accuracy is shown to be above chance: others have nothing to lose."""
    clean = seen.right[:, 0]
    able = estimate_accuracies(clean, np.ones_like(clean), seen.strata, resampling).low > chance
    models = tuple(model for model, kept in zip(seen.models, able, strict=True) if kept)
    return replace(seen, models=models, right=seen.right[:, :, able])


def _accuracies(table: pd.DataFrame) -> pd.DataFrame:
    clean = table[table["view"] == CLEAN]
    changed = table[table["view"] != CLEAN]
    kinds = changed["view"].str.partition(":")
    changed = changed.assign(kind=kinds[0], level=pd.to_numeric(kinds[2].replace("", np.nan)))
    present = [kind for kind in NO_CHANGE if kind in set(changed["kind"])]
    unchanged = [clean.assign(kind=kind, level=float(NO_CHANGE[kind])) for kind in present]
    rows = pd.concat([*unchanged, changed], ignore_index=True)
    return rows[["kind", "level", "model", "value", "low", "high", "n"]]


def _kept(seen: Seen, views: list[str], resampling: Resampling) -> tuple[pd.DataFrame, pd.DataFrame]:
    places: dict[str, list[int]] = {}
    for place, view in enumerate(views, start=1):
        kind = view.partition(":")[0]
        places.setdefault(OUTLINE if kind in OUTLINES else kind, []).append(place)
    shares, pairs = [], []
    for kind, own in places.items():
        ratio, values = kept_share(seen.right[:, 0], seen.right[:, own].mean(axis=1))
        estimates = estimate_contrasts(values, seen.strata, np.abs(values).max(axis=0), resampling)
        shares.append(
            pd.DataFrame({"model": seen.models, "value": ratio}).assign(
                low=estimates.low.clip(min=0), high=estimates.high, n=estimates.n, kind=kind
            )
        )
        pairs.append(compare_means(values, seen, resampling).assign(kind=kind))
    return tuple(
        joined[["kind", *joined.columns.drop("kind")]]
        for joined in (pd.concat(shares, ignore_index=True), pd.concat(pairs, ignore_index=True))
    )


def _headline(material: Material, kept: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Who keeps most in outline, and who keeps most when shuffled; where only one was asked, that."""
    measure = leading_measure(material.results, kept)
    own, tested = kept[kept["measure"] == measure], pairs[pairs["measure"] == measure]
    said = []
    for kind, words in ((OUTLINE, "Without texture"), (SHUFFLED, "with its parts shuffled")):
        ranked = own[own["kind"] == kind].sort_values("value", ascending=False, kind="stable")
        if len(ranked):
            said.append(f"{words} {_who_keeps_most(ranked, tested[tested['kind'] == kind])}")
    if not said:
        least = own.sort_values("value", kind="stable").iloc[0]
        return f"{least['model']} loses most: under {least['kind']} it keeps {_share(least)} of its accuracy"
    text = "; ".join(said)
    return text[0].upper() + text[1:]


def _who_keeps_most(ranked: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Of shares in descending order the largest, where a test parts it from all others."""
    best = ranked.iloc[0]
    if len(ranked) == 1:
        return f"{best['model']} keeps {_share(best)} of its accuracy"
    proven = pairs[(pairs["model_a"] == best["model"]) & (pairs["p_adjusted"] < ALPHA) & (pairs["low"] > 0)]
    if len(proven) == len(ranked) - 1:
        return f"{best['model']} keeps the largest share of its accuracy, {_share(best)}"
    return f"no test tells who keeps most; {best['model']} has {_share(best)} of its accuracy left"


def _share(row: pd.Series) -> str:
    return percent(row["value"], row["low"], row["high"])
