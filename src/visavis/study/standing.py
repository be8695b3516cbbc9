"""Where the models stand in one measure: from the best down, with the tests that part them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from visavis.study.pairs import images_that_would_do, is_equivalent, is_separable, level_left, worth
from visavis.study.power import detectable_difference


class Lead(NamedTuple):
    """By how much the best model leads another, and what the test says."""

    difference: float
    low: float
    high: float
    n: int
    discordant: int
    p_adjusted: float
    separable: bool
    level: float  # that the pair's own test must reach
    design_effect: float
    margin: float
    equivalent: bool  # shown to be less than the margin apart

    @property
    def images_that_would_do(self) -> int | None:
        """About how many images would separate the two; None where no number is any advice."""
        return images_that_would_do(self.discordant, self.difference, self.n, self.level, self.design_effect)

    @property
    def smallest_to_show(self) -> float | None:
        """The smallest difference that as many images show; None where there are too few for any."""
        return detectable_difference(worth(self.n, self.design_effect), self.discordant / self.n, alpha=self.level)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One measure under one view.

    Attributes:
        measure: Its name.
        rows: Accuracies, one row a model, indexed by model, the best first.
        leads: For each other model how far the best leads it; a model is missing if the two share no image.
    """

    measure: str
    rows: pd.DataFrame
    leads: dict[str, Lead]

    @property
    def best(self) -> str:
        """The model with the highest accuracy; of equals the first."""
        return str(self.rows.index[0])

    @property
    def rivals(self) -> list[str]:
        """Models that no test separates from the best, from the best of them down."""
        return [name for name in self.rows.index[1:] if name not in self.leads or not self.leads[name].separable]


def read_standings(accuracies: pd.DataFrame, pairs: pd.DataFrame, view: str) -> dict[str, Standing]:
    """The standing of each measure under a view, in the order of the results.

    Args:
        accuracies: Rows of the results whose metric is accuracy.
        pairs: Of `compare_pairs`; may be empty.
        view: One of theirs.
    """
    standings = {}
    for measure, rows in accuracies[accuracies["view"] == view].groupby("measure", sort=False):
        ranked = rows.sort_values("value", ascending=False, kind="stable").set_index("model")
        family = pairs[(pairs["view"] == view) & (pairs["measure"] == measure)]
        leads = _leads(str(ranked.index[0]), family)
        standings[str(measure)] = Standing(measure=str(measure), rows=ranked, leads=leads)
    return standings


def _leads(best: str, family: pd.DataFrame) -> dict[str, Lead]:
    leads = {}
    family = family.assign(separable=is_separable(family), level=level_left(family), equivalent=is_equivalent(family))
    for row in family.to_dict("records"):
        if best not in (row["model_a"], row["model_b"]):
            continue
        ahead = row["model_a"] == best  # else an equal, or better on the images that both were asked
        leads[str(row["model_b"] if ahead else row["model_a"])] = Lead(
            difference=row["difference"] if ahead else -row["difference"],
            low=row["low"] if ahead else -row["high"],
            high=row["high"] if ahead else -row["low"],
            n=int(row["n"]),
            discordant=int(row["discordant"]),
            p_adjusted=row["p_adjusted"],
            separable=ahead and bool(row["separable"]),
            level=row["level"],
            design_effect=row["design_effect"],
            margin=row["margin"],
            equivalent=bool(row["equivalent"]),
        )
    return leads
