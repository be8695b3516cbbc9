"""Who was right on which images: the matrix that every statistic of a study starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from visavis.errors import UsageError
from visavis.study.bootstrap import strata_of

NEEDED = ("sample", "model", "view", "measure", "draw", "label", "predicted", "rank")
TOP = 5  # accuracy@5: the true class is among the five likeliest


class Cell(NamedTuple):
    """What is measured: one model, seen through one view, by one measure."""

    view: str
    measure: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The decisions of one draw, in matrices.

    Attributes:
        cells: The columns; views, measures and models stand in the order of their first row.
        right: 1 right, 0 wrong, NaN where the image was not asked, float [images, cells]; images are sorted by id.
        among_top: The same for accuracy@5.
        classes: Number of the true class, counted by the first image of each [images]; names play no part, so that
            renaming a class changes no result.
        groups: Number of what the image belongs to [images]; None where the predictions know of no groups.
    """

    cells: tuple[Cell, ...]
    right: np.ndarray
    among_top: np.ndarray
    classes: np.ndarray
    groups: np.ndarray | None = None

    @property
    def strata(self) -> np.ndarray:
        """What resamples draw from; see `strata_of`."""
        return strata_of(self.classes, self.groups)

    def families(self) -> dict[tuple[str, str], dict[str, int]]:
        """For each (view, measure) its models and their columns: what can be compared."""
        families: dict[tuple[str, str], dict[str, int]] = {}
        for column, cell in enumerate(self.cells):
            families.setdefault((cell.view, cell.measure), {})[cell.model] = column
        return families


def answers_of(predictions: pd.DataFrame, draw: int = 0) -> Answers:
    """Reads the predictions of one draw.

    Args:
        predictions: One row a decision, with at least the columns of `NEEDED`; a column "group" says what belongs
            together, "" where an image stands alone.
        draw: 0 for the main run.

    Raises:
        UsageError: There are no such rows, a column is missing, an image was answered twice in one cell, or an image
            has two labels.
    """
    missing = [name for name in NEEDED if name not in predictions]
    if missing:
        raise UsageError(
            f"The predictions lack the column {missing[0]!r}; they have {', '.join(map(str, predictions.columns))}. "
            "Give a table with one row a decision, as predictions.parquet holds it."
        )
    rows = predictions[predictions["draw"] == draw]
    if rows.empty:
        raise UsageError(
            f"There is no prediction of draw {draw} among {len(predictions)} rows. Give at least one model's decisions."
        )
    image, names = pd.factorize(rows["sample"], sort=True)
    cell, cells = _number_cells(rows)
    right = np.full((len(names), len(cells)), np.nan)  # [images, cells]
    among_top = right.copy()
    right[image, cell] = (rows["predicted"] == rows["label"]).to_numpy(float)
    among_top[image, cell] = (rows["rank"] <= TOP).to_numpy(float)
    if np.count_nonzero(~np.isnan(right)) < len(rows):
        twice = rows[rows.duplicated(["sample", "view", "measure", "model"])].iloc[0]
        raise UsageError(
            f"Image {twice['sample']!r} was answered twice by {twice['model']!r} ({twice['measure']}, {twice['view']})."
            " Give one row for each image, model, view, measure and draw."
        )
    return Answers(
        cells=cells,
        right=right,
        among_top=among_top,
        classes=_class_of_image(rows, image, len(names)),
        groups=_group_of_image(rows, image, len(names)),
    )


def number_groups(names: Sequence[str] | np.ndarray) -> np.ndarray | None:
    """Numbers of the groups, [images], in which a lone image ("") is its own; None where all images are alone."""
    known = np.asarray(names, dtype=object)
    alone = known == ""
    if alone.all():
        return None
    numbers = pd.factorize(known)[0]
    return np.where(alone, numbers.max() + 1 + np.arange(len(known)), numbers)


def _number_cells(rows: pd.DataFrame) -> tuple[np.ndarray, tuple[Cell, ...]]:
    """The column of each row, and the columns' names, by view, then measure, then model."""
    view, views = pd.factorize(rows["view"])
    measure, measures = pd.factorize(rows["measure"])
    model, models = pd.factorize(rows["model"])
    place = np.ravel_multi_index((view, measure, model), (len(views), len(measures), len(models)))
    places, cell = np.unique(place, return_inverse=True)
    parts = np.unravel_index(places, (len(views), len(measures), len(models)))
    cells = tuple(Cell(str(views[v]), str(measures[m]), str(models[k])) for v, m, k in zip(*parts, strict=True))
    return cell, cells


def _class_of_image(rows: pd.DataFrame, image: np.ndarray, images: int) -> np.ndarray:
    label = pd.factorize(rows["label"])[0]
    by_image = np.empty(images, int)
    by_image[image] = label
    torn = np.flatnonzero(by_image[image] != label)
    if len(torn):
        row = rows.iloc[torn[0]]
        raise UsageError(
            f"Image {row['sample']!r} has two labels, {row['label']!r} for one. Give the same label to all its rows."
        )
    return pd.factorize(by_image)[0]  # numbered by each class's first image


def _group_of_image(rows: pd.DataFrame, image: np.ndarray, images: int) -> np.ndarray | None:
    if "group" not in rows:
        return None
    by_image = np.full(images, "", dtype=object)
    by_image[image] = rows["group"].fillna("")
    return number_groups(by_image)
