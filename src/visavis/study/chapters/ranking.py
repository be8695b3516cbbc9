"""How sure is the ranking? How often each model comes first, second, … in resamples that all models share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from visavis.evaluate.ranking import order_shares, rank_shares
from visavis.evaluate.scores import NotMeasurable
from visavis.report.tables import headline
from visavis.study.answers import answers_of
from visavis.study.bootstrap import Resampling, resampled_means
from visavis.study.chapters.chapter import Chapter, Material

BEFORE = " > "
ORDERS = 5  # the likeliest ones, of each measure


def ranking(material: Material) -> Chapter:
    """Shares of resamples in which each model has each rank, and in which the models stand in an order.

    Where two models are level in a resample, each has half of both ranks, and both orders count half.

    Returns:
        ranking: view, measure, model, rank (1 is the best), probability, n (images that all models decided).
        ranking_orders: view, measure, order (models joined by `BEFORE`), observed (whether these images show it),
            probability; the `ORDERS` likeliest, and the observed one.

    Raises:
        NotMeasurable: No measure was taken of two models.
    """
    answers = answers_of(material.predictions)
    ranks, orders = [], []
    for family, columns in answers.families().items():
        names = list(columns)
        right = answers.right[:, list(columns.values())]  # [images, models]
        n = int((~np.isnan(right).any(axis=1)).sum())
        if len(names) < 2 or not n:
            continue
        means = _resampled(right, answers.strata, Resampling(seed=material.plan.seed))
        shares = rank_shares(means)  # [models, ranks]
        ranks += [(*family, names[model], rank + 1, share, n) for (model, rank), share in np.ndenumerate(shares)]
        observed = tuple(np.argsort(-np.nansum(right, axis=0), kind="stable").tolist())
        found = order_shares(means)
        shown = dict(list(found.items())[:ORDERS]) | {observed: found.get(observed, 0.0)}
        for order, share in shown.items():
            orders.append((*family, BEFORE.join(names[place] for place in order), order == observed, share))
    if not ranks:
        raise NotMeasurable("A ranking needs two models that took the same measure.")
    table = pd.DataFrame(ranks, columns=["view", "measure", "model", "rank", "probability", "n"])
    order_table = pd.DataFrame(orders, columns=["view", "measure", "order", "observed", "probability"])
    return Chapter(
        tables={"ranking": table, "ranking_orders": order_table}, headline=_headline(material, table, order_table)
    )


def _resampled(right: np.ndarray, strata: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Accuracies on the images that all models decided, [draws, models], without draws that have none of them."""
    common = ~np.isnan(right).any(axis=1)
    weights = np.repeat(common[:, None].astype(float), right.shape[1], axis=1)
    means = resampled_means(np.where(common[:, None], right, 0.0), weights, strata, resampling)
    return means[~np.isnan(means).any(axis=1)]


def _headline(material: Material, table: pd.DataFrame, orders: pd.DataFrame) -> str:
    """Of the measure that leads the report, or of the first there is."""
    families = [(row.view, row.measure) for row in table.itertuples()]
    view, measure = first if (first := headline(material.results)) in families else families[0]
    own = table[(table["view"] == view) & (table["measure"] == measure)]
    firsts = own[own["rank"] == 1].sort_values("probability", ascending=False, kind="stable")
    best = firsts.iloc[0]
    said = f"{best['model']} comes first in {in_percent(best['probability'])} of the resamples"
    if len(firsts) == 2:
        return said
    order = orders[(orders["view"] == view) & (orders["measure"] == measure) & orders["observed"]].iloc[0]
    return f"{said}; all models stand in the order of these images in {in_percent(order['probability'])}"


def in_percent(share: float) -> str:
    """A share in whole percent that rounds nothing to certainty: "83%", "more than 99%", "less than 1%", "all"."""
    if share > 0.99:
        return "all" if share == 1 else "more than 99%"
    return "less than 1%" if share < 0.01 else f"{100 * share:.0f}%"
