"""Do the models fail on the same images? Who is right alone, and what a perfect choice between two could gain."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from visavis.evaluate.agreement import error_consistency
from visavis.evaluate.scores import NotMeasurable
from visavis.study.answers import answers_of
from visavis.study.chapters.chapter import Chapter, Material


def agreement(material: Material) -> Chapter:
    """A table `agreement`: view, measure, model_a, model_b, n, both, only_a, only_b, neither, kappa."""
    answers = answers_of(material.predictions)
    rows = []
    for (view, measure), columns in answers.families().items():
        for a, b in combinations(columns, 2):
            pair = answers.right[:, [columns[a], columns[b]]]
            right_a, right_b = pair[~pd.isna(pair).any(axis=1)].astype(bool).T
            n = len(right_a)
            if n == 0:
                continue
            shares = (right_a == right_b).mean(), right_a.mean(), right_b.mean()
            rows.append(
                {
                    "view": view, "measure": measure, "model_a": a, "model_b": b, "n": n,
                    "both": (right_a & right_b).sum(), "only_a": (right_a & ~right_b).sum(),
                    "only_b": (~right_a & right_b).sum(), "neither": (~right_a & ~right_b).sum(),
                    "kappa": float(error_consistency(*shares)),
                }
            )  # fmt: skip
    if not rows:
        raise NotMeasurable("Agreement needs two models that decided the same images.")
    table = pd.DataFrame(rows)
    least = table.loc[table["kappa"].fillna(1).idxmin()]
    headline = f"{least['model_a']} and {least['model_b']} fail on the most different images"
    return Chapter(tables={"agreement": table}, headline=headline)
