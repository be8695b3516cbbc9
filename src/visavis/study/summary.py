"""From predictions to results: every accuracy with its interval over images and its range over draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from visavis.study.answers import TOP, Answers, answers_of
from visavis.study.bootstrap import DRAWS, LEVEL, Resampling, estimate_accuracies

RESULT_COLUMNS = (
    "model", "view", "measure", "metric", "value", "low", "high", "n", "draw_low", "draw_high", "tie_group"
)  # fmt: skip
NAMING = "naming"
IMAGE_TO_TEXT = "image_to_text"  # the measure of images with captions and no labels: recall@1 is its accuracy
ANY_LABEL = "any_label"  # that of images with several classes: the share whose nearest class is one of theirs
ANY_LABEL_PROBE = "any_label_probe"  # the same with a linear probe for each class, which every model can be asked
FOUND_AGAIN = "found_again"  # that of images of which nothing is known: whether changed ones are found among all
UNCLASSED = (
    IMAGE_TO_TEXT,
    ANY_LABEL,
    ANY_LABEL_PROBE,
    FOUND_AGAIN,
)  # an image is of no one class there, over which accuracies could be balanced


def summarize(predictions: pd.DataFrame, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> pd.DataFrame:
    """Accuracy, balanced accuracy and, for more than five classes, accuracy@5 of every model, view and measure.

    Balanced accuracy is the mean over classes of each class's accuracy: a mean in which an image counts one over the
    number of its class's images. Its resamples keep these weights, so that data with one image a class get the interval
    that accuracy has.

    Args:
        predictions: One row a decision, with sample, model, view, measure, draw, label, predicted, rank.
        draws: Bootstrap resamples; the same for all models, measures and metrics.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A table with the columns of `RESULT_COLUMNS`: low and high over images of the main run (draw 0); draw_low and
        draw_high are the range over draws 1 and above, NaN where there are none; tie_group is NaN, see `tie_groups`.

    Raises:
        UsageError: There are no predictions, or they cannot be read; see `answers_of`.
    """
    answers = answers_of(predictions)
    metrics = ["accuracy", "balanced_accuracy"]
    if pd.concat([predictions["label"], predictions["predicted"]]).nunique() > TOP:
        metrics.append(f"accuracy@{TOP}")
    right, weights = _metric_columns(answers, metrics)
    resampling = Resampling(draws=draws, level=level, seed=seed)
    estimates = estimate_accuracies(right, weights, answers.strata, resampling)
    table = _rows(answers, metrics).assign(value=estimates.value, low=estimates.low, high=estimates.high, n=estimates.n)
    table = _with_ranges(table, predictions, metrics).assign(tie_group=np.nan)
    table = table[~(table["measure"].isin(UNCLASSED) & (table["metric"] == "balanced_accuracy"))]
    order = pd.factorize(pd.MultiIndex.from_frame(table[["view", "measure", "model"]]))[0]
    return table.iloc[np.argsort(order, kind="stable")][list(RESULT_COLUMNS)].reset_index(drop=True)


def with_naming(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions with the measure "naming" in front: each model names classes by its own means, without examples.

    A model trained on labels has a classifier, one trained on language has zero-shot: the same task for both, since
    neither needs a labelled image of the user's. The rows are copies of "classifier" where a model has it, else of
    "zero_shot", in views where both kinds of models are; elsewhere naming would only repeat the one measure there is.
    """
    others = predictions[predictions["measure"] != NAMING]
    own = others[others["measure"].isin(["classifier", "zero_shot"])]
    own = own[own.groupby("view")["measure"].transform("nunique") == 2]
    has_classifier = (own["measure"] == "classifier").groupby([own["view"], own["model"]]).transform("any")
    naming = own[(own["measure"] == "classifier") | ~has_classifier].assign(measure=NAMING)
    return pd.concat([naming, others], ignore_index=True)


def _metric_columns(answers: Answers, metrics: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and weights, each [images, metrics * cells]."""
    asked = (~np.isnan(answers.right)).astype(float)  # [images, cells]
    per_class = np.stack([np.bincount(answers.classes, column) for column in asked.T], axis=1)  # [classes, cells]
    balanced = asked / np.maximum(per_class[answers.classes], 1)
    right = {"accuracy": answers.right, "balanced_accuracy": answers.right, f"accuracy@{TOP}": answers.among_top}
    weights = {"accuracy": asked, "balanced_accuracy": balanced, f"accuracy@{TOP}": asked}
    return np.hstack([right[name] for name in metrics]), np.hstack([weights[name] for name in metrics])


def _rows(answers: Answers, metrics: list[str]) -> pd.DataFrame:
    """Names of the columns that `_metric_columns` makes, one row each."""
    rows = [{**cell._asdict(), "metric": metric} for metric in metrics for cell in answers.cells]
    return pd.DataFrame(rows)


def _with_ranges(table: pd.DataFrame, predictions: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Adds draw_low and draw_high: the range of each value over the repeats."""
    repeats = []
    for draw in sorted(set(predictions["draw"]) - {0}):
        answers = answers_of(predictions, draw)
        right, weights = _metric_columns(answers, metrics)
        values = np.where(weights > 0, right * weights, 0).sum(axis=0) / weights.sum(axis=0)
        repeats.append(_rows(answers, metrics).assign(value=values))
    if not repeats:
        return table.assign(draw_low=np.nan, draw_high=np.nan)
    keys = ["view", "measure", "model", "metric"]
    ranges = pd.concat(repeats).groupby(keys)["value"].agg(draw_low="min", draw_high="max")
    return table.join(ranges, on=keys)
