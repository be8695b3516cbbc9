"""Which published CLIPs their own 38 results tell apart: a paired bootstrap over the data sets.

The one idea: what varies is which tasks somebody took. A resample draws 38 data sets with replacement, for all models
the same ones, so differences are paired. It speaks of another draw of tasks, not of one data set's images, and averages
unlike metrics as the published mean does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from visavis.atlas.record import metrics_of
from visavis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much higher the second model's mean over all data sets is, in fractions, with its interval.

    `better` counts the data sets on which the second is ahead.
    """

    model_a: str
    model_b: str
    value: float
    low: float
    high: float
    better: int


def compare_published(zero_shot: pd.DataFrame, model_a: str, model_b: str, seed: int = 0) -> Difference:
    """The second model's mean less the first's. Raises UsageError for a model that the table lacks.

    Args:
        zero_shot: Of `read_zero_shot`.
        model_a: As in its column `model`.
        model_b: Another.
        seed: Of the bootstrap.
    """
    values = zero_shot.set_index("model")[metrics_of(zero_shot)]
    for name in (model_a, model_b):
        if name not in values.index:
            raise UsageError(f"The record has no {name!r}. {did_you_mean(name, list(values.index))}")
    difference = (values.loc[model_b] - values.loc[model_a]).to_numpy()  # [data sets]
    low, high = np.quantile(_means(difference[:, None], seed)[:, 0], _tails())
    return Difference(
        model_a=model_a,
        model_b=model_b,
        value=float(difference.mean()),
        low=float(low),
        high=float(high),
        better=int((difference > 0).sum()),
    )


def rank(zero_shot: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The table in order of the mean, with ties.

    Returns:
        model, mean, low, high (of the mean), gap, gap_low, gap_high (to the next better model, empty for the first),
        tie_group: a model joins the group above unless its whole interval is behind that group's best.
    """
    import pandas as pd

    values = zero_shot[metrics_of(zero_shot)].to_numpy()  # [models, data sets]
    order = np.argsort(-values.mean(axis=1), kind="stable")
    values = values[order]
    means = _means(values.T, seed)  # [draws, models]
    low, high = np.quantile(means, _tails(), axis=0)
    gap_low, gap_high = np.quantile(means[:, :-1] - means[:, 1:], _tails(), axis=0)
    groups: list[int] = []
    best = 0
    for number in range(len(order)):
        if number and np.quantile(means[:, best] - means[:, number], _tails()[0]) > 0:
            best = number
        groups.append(groups[-1] + (best == number) if groups else 1)
    nothing = [np.nan]
    return pd.DataFrame(
        {
            "model": zero_shot["model"].to_numpy()[order],
            "mean": values.mean(axis=1),
            "low": low,
            "high": high,
            "gap": nothing + list(-np.diff(values.mean(axis=1))),
            "gap_low": nothing + list(gap_low),
            "gap_high": nothing + list(gap_high),
            "tie_group": groups,
        }
    )


def _means(values: np.ndarray, seed: int) -> np.ndarray:
    """Means over resampled data sets: [data sets, columns] to [draws, columns]."""
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=DRAWS)  # [draws, data sets]
    return counts @ values / n


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2
