"""What should not matter: accuracy and embeddings under flips, turns, shifts, sizes and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from visavis.data.presets import INVARIANCE
from visavis.data.views import parse_view
from visavis.evaluate.invariance import cosines, mean_cosine_between
from visavis.study.bootstrap import Resampling, estimate_contrasts
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import images_of
from visavis.study.chapters.viewed import CLEAN, changed_views, joined_by_measure, seen_under, with_accuracy
from visavis.study.wording import percent

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder

KINDS = tuple(dict.fromkeys(name.partition(":")[0] for name in INVARIANCE))
HOW = "add --view invariance, or single views such as mirror and rotate:15"


def invariance(material: Material) -> Chapter:
    """Tables on the views that leave what is shown as it is; intervals are over images.

    Returns:
        invariance: measure, view, model, value (accuracy), low, high, n, change (from the unchanged images),
            change_low, change_high.
        invariance_similarity: view, model, cosine (of an image's embedding to its unchanged one, mean), low, high,
            others (mean cosine of two different unchanged images), kept (cosine on a scale where others is 0),
            kept_low, kept_high, n.
    """
    views = changed_views(material, KINDS, HOW)
    resampling = Resampling(seed=material.plan.seed)
    found = {}
    for measure, seen in seen_under(material, views).items():
        changes = (seen.right[:, 1:] - seen.right[:, :1]).reshape(len(seen.right), -1)  # [images, views * models]
        estimates = estimate_contrasts(changes, seen.strata, np.ones(changes.shape[1]), resampling)
        named = pd.DataFrame([(view, model) for view in views for model in seen.models], columns=["view", "model"])
        changed = named.assign(change=estimates.value, change_low=estimates.low, change_high=estimates.high)
        accuracies = with_accuracy(material, views, measure)
        found[measure] = {"invariance": accuracies.merge(changed, on=["view", "model"])}
    similarity = _similarities(material, views, resampling)
    tables = joined_by_measure(found) | {"invariance_similarity": similarity}
    return Chapter(tables=tables, headline=_headline(similarity))


def _similarities(material: Material, views: list[str], resampling: Resampling) -> pd.DataFrame:
    tables = [_of_model(material, encoder, views, resampling) for encoder in material.plan.encoders]
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values("view", key=lambda own: own.map(views.index), kind="stable", ignore_index=True)


def _of_model(material: Material, encoder: Encoder, views: list[str], resampling: Resampling) -> pd.DataFrame:
    test, images = material.plan.part("test"), images_of(material)
    unchanged = material.embed(encoder, test, parse_view(CLEAN))
    columns = [cosines(unchanged, material.embed(encoder, test, parse_view(view))) for view in views]
    values = np.column_stack(columns)[images.order]  # [images, views]
    estimates = estimate_contrasts(values, images.strata, np.ones(len(views)), resampling)
    others = mean_cosine_between(unchanged)
    kept = {
        name: (own - others) / (1 - others)
        for name, own in (("kept", estimates.value), ("kept_low", estimates.low), ("kept_high", estimates.high))
    }
    return pd.DataFrame(
        {
            "view": views, "model": encoder.name, "cosine": estimates.value, "low": estimates.low,
            "high": estimates.high, "others": others, **kept, "n": estimates.n,
        }
    )  # fmt: skip


def _headline(similarity: pd.DataFrame) -> str:
    """The change that moves embeddings most, and whose move least under it."""
    worst = similarity.groupby("view", sort=False)["kept"].mean().idxmin()
    ranked = similarity[similarity["view"] == worst].sort_values("kept", ascending=False, kind="stable")
    first = ranked.iloc[0]
    share = percent(first["kept"], first["kept_low"], first["kept_high"])
    text = f"Of these changes {worst} moves embeddings most"
    if len(ranked) == 1:
        return f"{text}: {first['model']} keeps {share} of the similarity"
    last = ranked.iloc[-1]
    least = percent(last["kept"], last["kept_low"], last["kept_high"])
    return f"{text}: {first['model']} keeps {share} of the similarity, {last['model']} {least}"
