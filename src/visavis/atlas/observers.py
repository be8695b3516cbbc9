"""What recorded decisions say of their observers: accuracy, shape bias, and who fails on the same images.

Sources: shape bias, Geirhos et al. 2019, ImageNet-trained CNNs are biased towards texture, section 2; error
consistency, Geirhos et al. 2020, Beyond accuracy. Intervals are over images, by one bootstrap whose resamples all
observers share, stratified by category.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from visavis.study.bootstrap import Resampling, estimate_accuracies, strata_of
from visavis.study.consistency import estimate_consistencies

if TYPE_CHECKING:
    import pandas as pd

OBSERVER_COLUMNS = (
    "observer", "n", "accuracy", "accuracy_low", "accuracy_high", "n_shape_or_texture", "shape_bias", "shape_bias_low",
    "shape_bias_high",
)  # fmt: skip
CONSISTENCY_COLUMNS = ("observer_a", "observer_b", "kappa", "low", "high", "n")


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """All decisions as arrays.

    Attributes:
        observers: Names, [observers].
        classes: Number of each image's category, [images].
        asked, right, by_texture: Whether each observer saw the image, gave its category, gave its texture's class (of
            an image whose shape and texture differ), bool [images, observers].
        conflict: Whether shape and texture are known and differ, bool [images].
    """

    observers: tuple[str, ...]
    classes: np.ndarray
    asked: np.ndarray
    right: np.ndarray
    by_texture: np.ndarray
    conflict: np.ndarray


def describe_observers(decisions: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Accuracy and shape bias of each observer.

    Args:
        decisions: Of `read_decisions`.
        resampling: Draws, level and seed.

    Returns:
        `OBSERVER_COLUMNS`, one row an observer in order of appearance. Shape bias is the share of the shape's class
        among answers that are the shape's or the texture's, over images where both differ; empty without such answers.
    """
    import pandas as pd

    answers = _arrange(decisions)
    strata = strata_of(answers.classes)
    accuracy = estimate_accuracies(answers.right.astype(float), answers.asked.astype(float), strata, resampling)
    counted = answers.conflict[:, None] & (answers.right | answers.by_texture)
    table = pd.DataFrame(
        {
            "observer": answers.observers,
            "n": accuracy.n,
            "accuracy": accuracy.value,
            "accuracy_low": accuracy.low,
            "accuracy_high": accuracy.high,
            "n_shape_or_texture": counted.sum(axis=0),
            **dict.fromkeys(("shape_bias", "shape_bias_low", "shape_bias_high"), np.nan),
        }
    )
    some = counted.any(axis=0)
    if some.any():
        bias = estimate_accuracies(
            answers.right[:, some].astype(float), counted[:, some].astype(float), strata, resampling
        )
        table.loc[some, ["shape_bias", "shape_bias_low", "shape_bias_high"]] = np.column_stack(
            [bias.value, bias.low, bias.high]
        )
    return table


def compare_observers(decisions: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Error consistency of every two observers, on the images that both saw.

    Returns:
        `CONSISTENCY_COLUMNS`, one row a pair that shares images; kappa is empty where both are always right or always
        wrong.
    """
    import pandas as pd

    answers = _arrange(decisions)
    pairs = [
        (a, b)
        for a, b in combinations(range(len(answers.observers)), 2)
        if (answers.asked[:, a] & answers.asked[:, b]).any()
    ]
    if not pairs:
        return pd.DataFrame(columns=list(CONSISTENCY_COLUMNS))
    found = estimate_consistencies(answers.right, answers.asked, pairs, strata_of(answers.classes), resampling)
    names = [(answers.observers[a], answers.observers[b]) for a, b in pairs]
    table = pd.DataFrame(names, columns=list(CONSISTENCY_COLUMNS[:2]))
    return table.assign(kappa=found.value, low=found.low, high=found.high, n=found.n)


def _arrange(decisions: pd.DataFrame) -> _Answers:
    observers = tuple(dict.fromkeys(decisions["observer"]))
    images = decisions.drop_duplicates("image").set_index("image")
    row = images.index.get_indexer(decisions["image"])
    column = np.array([observers.index(name) for name in decisions["observer"]])
    conflict = ((images["texture"] != "") & (images["texture"] != images["category"])).to_numpy()

    def grid(values: np.ndarray) -> np.ndarray:
        table = np.zeros((len(images), len(observers)), bool)
        table[row, column] = values
        return table

    return _Answers(
        observers=observers,
        classes=np.unique(images["category"], return_inverse=True)[1],
        asked=grid(np.ones(len(decisions), bool)),
        right=grid((decisions["answer"] == decisions["category"]).to_numpy()),
        by_texture=grid((decisions["answer"] == decisions["texture"]).to_numpy()),
        conflict=conflict,
    )
