"""Do the models fail on the same images? Who is right alone, and on how many images none is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from visavis.evaluate.scores import NotMeasurable
from visavis.report.tables import headline
from visavis.study.answers import Answers, answers_of
from visavis.study.bootstrap import Resampling, estimate_accuracies
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.consistency import estimate_consistencies

Family = tuple[str, str]  # a view and a measure


def agreement(material: Material) -> Chapter:
    """Tables on every two models, and on all of them together, on the images that they decided.

    Returns:
        agreement: view, measure, model_a, model_b, n, both, only_a, only_b, neither, kappa, low, high.
        right_alone: view, measure, model, alone (images that this model alone has right), value (their share), low,
            high, n.
        right_together: view, measure, n_right (of the models), images, n_models, n.
    """
    answers = answers_of(material.predictions)
    families = {family: columns for family, columns in answers.families().items() if len(columns) > 1}
    resampling = Resampling(seed=material.plan.seed)
    table = _pairs(answers, families, resampling)
    if table.empty:
        raise NotMeasurable("Agreement needs two models that decided the same images.")
    alone, together = _all_models(answers, families, resampling)
    return Chapter(
        tables={"agreement": table, "right_alone": alone, "right_together": together},
        headline=_headline(material, table),
    )


def _pairs(answers: Answers, families: dict[Family, dict[str, int]], resampling: Resampling) -> pd.DataFrame:
    """Counts and kappa of every two models that decided an image in common."""
    asked, right = ~np.isnan(answers.right), answers.right == 1
    named = [
        (*family, a, b, columns[a], columns[b])
        for family, columns in families.items()
        for a, b in combinations(columns, 2)
        if (asked[:, columns[a]] & asked[:, columns[b]]).any()
    ]
    if not named:
        return pd.DataFrame()
    places = [(first, second) for *_, first, second in named]
    kappa = estimate_consistencies(right, asked, places, answers.strata, resampling)
    first, second = np.array(places).T
    both_asked = asked[:, first] & asked[:, second]
    right_a, right_b = right[:, first] & both_asked, right[:, second] & both_asked
    table = pd.DataFrame([row[:4] for row in named], columns=["view", "measure", "model_a", "model_b"])
    return table.assign(
        n=kappa.n,
        both=(right_a & right_b).sum(axis=0),
        only_a=(right_a & ~right_b).sum(axis=0),
        only_b=(right_b & ~right_a).sum(axis=0),
        neither=(both_asked & ~right_a & ~right_b).sum(axis=0),
        kappa=kappa.value,
        low=kappa.low,
        high=kappa.high,
    )


def _all_models(
    answers: Answers, families: dict[Family, dict[str, int]], resampling: Resampling
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Who is right alone, and how many are right together, on the images that all models of a family decided."""
    strata = answers.strata
    alone, together = [], []
    for family, columns in families.items():
        right = answers.right[:, list(columns.values())]  # [images, models]
        common = ~np.isnan(right).any(axis=1)
        if not common.any():
            continue
        n_right = np.where(common, np.nansum(right, axis=1), -1)
        only = (right == 1) & (n_right == 1)[:, None]
        weights = np.repeat(common[:, None].astype(float), len(columns), axis=1)
        found = estimate_accuracies(only.astype(float), weights, strata, resampling)
        for place, model in enumerate(columns):
            shares = found.value[place], found.low[place], found.high[place], found.n[place]
            alone.append((*family, model, only[:, place].sum(), *shares))
        for number in range(len(columns) + 1):
            images = int((n_right == number).sum())
            together.append((*family, number, images, len(columns), int(common.sum())))
    return (
        pd.DataFrame(alone, columns=["view", "measure", "model", "alone", "value", "low", "high", "n"]),
        pd.DataFrame(together, columns=["view", "measure", "n_right", "images", "n_models", "n"]),
    )


def _headline(material: Material, table: pd.DataFrame) -> str:
    """The pair whose errors differ most under the headline's view and measure, or under the first there is."""
    view, measure = headline(material.results)
    own = table[(table["view"] == view) & (table["measure"] == measure)].dropna(subset="kappa")
    own = own if len(own) else table.dropna(subset="kappa")
    if own.empty:
        return "The models are always right, or always wrong, so their errors cannot be compared"
    ranked = own.sort_values("kappa", kind="stable")
    least, most = ranked.iloc[0], ranked.iloc[-1]
    if len(ranked) == 1:
        return f"{least['model_a']} and {least['model_b']} fail on the same images with κ = {_kappa(least)}"
    return (
        f"{least['model_a']} and {least['model_b']} fail on the most different images, κ = {_kappa(least)}; "
        f"{most['model_a']} and {most['model_b']} on the most alike, κ = {_kappa(most)}"
    )


def _kappa(row: pd.Series) -> str:
    return f"{row['kappa']:.2f} [{row['low']:.2f}, {row['high']:.2f}]".replace("-", "−")
