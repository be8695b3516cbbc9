"""Right answers under several views, on the images that were asked under all of them, and paired tests of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import stdtr

from visavis.evaluate.scores import NotMeasurable
from visavis.study.answers import Cell, answers_of
from visavis.study.bootstrap import Resampling, estimate_contrasts, group_sums
from visavis.study.chapters.chapter import Material
from visavis.study.chapters.scored import measures_told
from visavis.study.pairs import holm

CLEAN = "clean"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One measure's right answers.

    Attributes:
        models: The columns.
        right: 1 or 0, [images, views, models]; "clean" is the first view.
        strata: Of the bootstrap, [images].
    """

    models: tuple[str, ...]
    right: np.ndarray
    strata: np.ndarray


def changed_views(material: Material, kinds: Sequence[str], how: str) -> list[str]:
    """The views of a study that are of some kinds, in the plan's order.

    Raises:
        NotMeasurable: There are none, or the unchanged images are missing; `how` says how to ask for them.
    """
    names = [view.name for view in material.plan.views]
    own = [name for name in names if name.partition(":")[0] in kinds]
    if not own:
        raise NotMeasurable(f"Every view is encoded anew, so these are taken only when asked for: {how}.")
    if CLEAN not in names:
        raise NotMeasurable("Changed images are compared with the unchanged ones: name the view clean as well.")
    return own


def seen_under(material: Material, views: Sequence[str]) -> dict[str, Seen]:
    """For each measure the models that decided under all of the views, "clean" put in front.

    Raises:
        NotMeasurable: There is no such model.
    """
    wanted, measures = [CLEAN, *views], measures_told(material)
    rows = material.predictions
    answers = answers_of(rows[rows["view"].isin(wanted) & rows["measure"].isin(measures)])
    columns = {cell: number for number, cell in enumerate(answers.cells)}
    strata = answers.strata
    seen = {}
    for measure in measures:
        models = [
            encoder.name
            for encoder in material.plan.encoders
            if all(Cell(view, measure, encoder.name) in columns for view in wanted)
        ]
        if models:
            places = [[columns[Cell(view, measure, model)] for model in models] for view in wanted]
            right = answers.right[:, places]  # [images, views, models]
            asked = ~np.isnan(right).any(axis=(1, 2))
            seen[measure] = Seen(models=tuple(models), right=right[asked], strata=strata[asked])
    if not seen:
        raise NotMeasurable("No model was measured under all of these views.")
    return seen


def compare_means(values: np.ndarray, seen: Seen, resampling: Resampling) -> pd.DataFrame:
    """Every two models' difference in the mean of something that each image has, with a paired t test, by group.

    Args:
        values: [images, models].
        seen: Whose models and strata these are.
        resampling: Draws, level and seed.

    Returns:
        model_a (the higher), model_b, difference, low, high, n, p_value, p_adjusted (Holm's, over these pairs).
    """
    pairs = []
    for a, b in combinations(range(len(seen.models)), 2):
        pairs.append((a, b) if values[:, a].mean() >= values[:, b].mean() else (b, a))
    if not pairs:
        return pd.DataFrame(columns=["model_a", "model_b", "difference", "low", "high", "n", "p_value", "p_adjusted"])
    contrasts = np.column_stack([values[:, a] - values[:, b] for a, b in pairs])  # [images, pairs]
    estimates = estimate_contrasts(contrasts, seen.strata, np.abs(contrasts).max(axis=0), resampling)
    p_values = _paired_t(group_sums(contrasts, seen.strata))
    names = [(seen.models[a], seen.models[b]) for a, b in pairs]
    return pd.DataFrame(names, columns=["model_a", "model_b"]).assign(
        difference=estimates.value, low=estimates.low, high=estimates.high, n=estimates.n, p_value=p_values,
        p_adjusted=holm(p_values),
    )  # fmt: skip


def with_accuracy(material: Material, views: Sequence[str], measure: str) -> pd.DataFrame:
    """The study's accuracies of a measure under some views: view, model, value, low, high, n."""
    results = material.results
    own = results[(results["metric"] == "accuracy") & (results["measure"] == measure) & results["view"].isin(views)]
    return own[["view", "model", "value", "low", "high", "n"]].reset_index(drop=True)


def joined_by_measure(found: Mapping[str, Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Tables of each measure, {measure: {name: table}}, as one of all measures, {name: table}."""
    names = dict.fromkeys(name for tables in found.values() for name in tables)
    joined = {}
    for name in names:
        table = pd.concat(
            [tables[name].assign(measure=measure) for measure, tables in found.items()], ignore_index=True
        )
        joined[name] = table[["measure", *table.columns.drop("measure")]]
    return joined


def _paired_t(contrasts: np.ndarray) -> np.ndarray:
    """Two-sided p-values, [pairs], of contrasts [images or groups, pairs]; 1 where all agree on no difference."""
    n = len(contrasts)
    error = contrasts.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(contrasts.shape[1])
    mean = contrasts.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(mean) / error
    return np.where(error > 0, 2 * stdtr(max(n - 1, 1), -np.where(error > 0, t, 0)), 1.0)
