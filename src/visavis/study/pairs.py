"""Which models can be told apart, and which are equivalent: paired tests, Holm's correction, tie groups.

Source: Holm 1979, Scandinavian Journal of Statistics 6; the tests are those of `paired_tests.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from visavis.study.answers import Answers, answers_of
from visavis.study.bootstrap import DRAWS, Resampling, design_effects, estimate_contrasts, group_sums
from visavis.study.paired_tests import equivalence, sign_flip
from visavis.study.power import ALPHA, detectable_difference, needed_images
from visavis.study.wording import margin_in_words, points, round_up

PAIR_COLUMNS = (
    "model_a", "model_b", "view", "measure", "metric", "difference", "low", "high", "n", "discordant", "p_value",
    "p_adjusted", "design_effect", "margin", "p_equivalence", "p_equivalence_adjusted", "verdict",
)  # fmt: skip
# Less than what better prompts give CLIP on ImageNet (3.5 points; Radford et al. 2021, section 3.1.4): a lead that
# other prompts can turn round is none to choose a model by.
MARGIN = 0.02
OUT_OF_REACH = 100_000  # images; a number above it is no advice


def compare_pairs(
    predictions: pd.DataFrame, *, margin: float = MARGIN, alpha: float = ALPHA, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Every two models that share a view and a measure, on the images that both were asked.

    Args:
        predictions: One row a decision; the main run (draw 0) counts.
        margin: A difference in accuracy that makes none, a fraction.
        alpha: Level of the tests; the intervals hold 1 - alpha.
        draws: Bootstrap resamples.
        seed: Of the resamples.

    Returns:
        One row a pair with the columns of `PAIR_COLUMNS`: difference is the accuracy of model_a, the better (or first),
        less that of model_b, with its paired bootstrap interval; discordant counts the images on which exactly one is
        right; p_value is McNemar's, exact, or that of `sign_flip` where images belong together; design_effect tells
        how many of these count as one; p_equivalence is that of `equivalence`; those adjusted are Holm's, within the
        view and measure. No rows for one model.

    Raises:
        UsageError: The predictions cannot be read; see `answers_of`.
    """
    answers = answers_of(predictions)
    pairs = list(_pairs(answers))
    if not pairs:
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    contrasts = np.column_stack([pair.contrast for pair in pairs])  # [images, pairs]
    resampling = Resampling(draws=draws, level=1 - alpha, seed=seed)
    strata = answers.strata
    estimates = estimate_contrasts(contrasts, strata, np.ones(len(pairs)), resampling)
    differences = np.nan_to_num(contrasts)
    table = pd.DataFrame(
        {
            "model_a": [pair.model_a for pair in pairs],
            "model_b": [pair.model_b for pair in pairs],
            "view": [pair.view for pair in pairs],
            "measure": [pair.measure for pair in pairs],
            "metric": "accuracy",
            "difference": estimates.value,
            "low": estimates.low,
            "high": estimates.high,
            "n": estimates.n,
            "discordant": (differences != 0).sum(axis=0),
            "p_value": sign_flip(group_sums(differences, strata)),
            "design_effect": design_effects(differences, (~np.isnan(contrasts)).astype(float), strata),
            "margin": margin,
            "p_equivalence": equivalence(contrasts, strata, margin),
        }
    )
    families = table.groupby(["view", "measure"], sort=False)
    for test, adjusted in (("p_value", "p_adjusted"), ("p_equivalence", "p_equivalence_adjusted")):
        table[adjusted] = families[test].transform(lambda p_values: holm(p_values.to_numpy()))
    judged = zip(
        table.itertuples(),
        is_separable(table, alpha),
        is_equivalent(table, alpha),
        level_left(table, alpha),
        strict=True,
    )
    table["verdict"] = [_phrase(*row) for row in judged]
    return table[list(PAIR_COLUMNS)]


def is_separable(pairs: pd.DataFrame, alpha: float = ALPHA) -> pd.Series:
    """Whether each pair's better model is shown to be better: by the adjusted test and by the interval, [pairs]."""
    return (pairs["p_adjusted"] < alpha) & (pairs["low"] > 0)


def is_equivalent(pairs: pd.DataFrame, alpha: float = ALPHA) -> pd.Series:
    """Whether each pair is shown to be less than its margin apart, [pairs]."""
    return pairs["p_equivalence_adjusted"] < alpha


def level_left(pairs: pd.DataFrame, alpha: float = ALPHA) -> pd.Series:
    """The level a pair's own test must reach, [pairs]: Holm divides alpha by the family's pairs not yet told apart."""
    open_pairs = (~is_separable(pairs, alpha)).groupby([pairs["view"], pairs["measure"]]).transform("sum")
    return alpha / open_pairs.clip(lower=1)


def tie_groups(results: pd.DataFrame, pairs: pd.DataFrame, *, alpha: float = ALPHA) -> pd.DataFrame:
    """Results with their tie groups: 1 for the best, within each view and measure, for accuracy alone.

    From the best accuracy down: a model joins the current group if the test does not separate it from that group's
    best, else it opens the next group. Each model is in one group. "Cannot be told apart" is no equality: the last of
    a group may be told apart from its second, or not from the next group's first; `pairs` holds each test.

    Args:
        results: Of `summarize`.
        pairs: Of `compare_pairs`.
        alpha: Level of the tests.
    """
    results = results.copy()
    shown = pairs[is_separable(pairs, alpha)]
    apart = set(zip(shown["view"], shown["measure"], shown["model_a"], shown["model_b"], strict=True))
    accuracies = results[results["metric"] == "accuracy"]
    for (view, measure), rows in accuracies.groupby(["view", "measure"], sort=False):
        group, best = 0, None
        for row in rows.sort_values("value", ascending=False, kind="stable").itertuples():
            if best is None or (view, measure, best, row.model) in apart:
                group, best = group + 1, row.model
            results.loc[row.Index, "tie_group"] = group
    return results


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted so that all tests of a family together keep the level, [tests].

    The smallest is multiplied by the number of tests, the next by one less, and so on; none falls below one before it.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def images_that_would_do(
    discordant: int, difference: float, n: int, alpha: float = ALPHA, design_effect: float = 1.0
) -> int | None:
    """About how many images would separate a pair that `n` images do not, if its rates stay as they are.

    Args:
        discordant: Images on which exactly one is right.
        difference: In accuracy.
        n: Images.
        alpha: Level that the pair's own test must reach; see `level_left`.
        design_effect: How many of the images tell as much as one alone.

    Returns:
        Rounded up to two digits; None where the models are right equally often, or above `OUT_OF_REACH`.
    """
    needed = needed_images(discordant / n, difference, alpha=alpha)
    if needed is None or needed * design_effect > OUT_OF_REACH:
        return None
    return round_up(math.ceil(needed * design_effect))


def worth(n: int, design_effect: float) -> int:
    """How many lone images `n` images tell as much as."""
    return max(1, round(n / design_effect))


class _Pair(NamedTuple):
    view: str
    measure: str
    model_a: str
    model_b: str
    contrast: np.ndarray  # right answers of a less those of b: -1, 0, 1, or NaN, [images]


def _pairs(answers: Answers) -> Iterator[_Pair]:
    for (view, measure), columns in answers.families().items():
        for a, b in combinations(columns, 2):
            contrast = answers.right[:, columns[a]] - answers.right[:, columns[b]]
            if np.isnan(contrast).all():
                continue  # no image in common, nothing to compare
            if np.nansum(contrast) < 0:
                yield _Pair(view, measure, b, a, -contrast)
            else:
                yield _Pair(view, measure, a, b, contrast)


def _phrase(pair: NamedTuple, told_apart: bool, alike: bool, alpha: float) -> str:
    """A pair's verdict in few words; alpha is the level that its own test must reach."""
    row = pair._asdict()
    if told_apart:
        return f"{row['model_a']} better" + (f", by less than {margin_in_words(row['margin'])}" if alike else "")
    if alike:
        return f"equivalent: less than {margin_in_words(row['margin'])} apart"
    if row["discordant"] == 0:
        return "not separable: right on the same images"
    needed = images_that_would_do(row["discordant"], row["difference"], row["n"], alpha, row["design_effect"])
    if needed is not None:
        return f"not separable: about {needed:,} images would do"
    smallest = detectable_difference(worth(row["n"], row["design_effect"]), row["discordant"] / row["n"], alpha=alpha)
    if smallest is None:
        return "not separable: too few images to show any difference"
    return f"not separable: {row['n']:,} images show differences from {points(smallest)}"
