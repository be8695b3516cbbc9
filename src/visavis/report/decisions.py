"""Recorded decisions on one page: how often each observer is right, what it goes by, and who fails with whom.

The page asks the network for nothing, and no number is made here.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from visavis.report import figures, words
from visavis.report.frame import environment, frame

if TYPE_CHECKING:
    import pandas as pd

STEPS = 5  # shades of the table of consistency, as of the report's table of classes


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One observer in an interval plot."""

    observer: str
    value: float
    low: float
    high: float
    n: int
    mark: figures.Mark


@dataclass(frozen=True, kw_only=True)
class Plot:
    """An interval plot: its scale, and its observers in descending order."""

    axis: figures.Axis
    strips: tuple[Strip, ...]


def render_decisions(observers: pd.DataFrame, consistency: pd.DataFrame, level: float) -> str:
    """The page.

    Args:
        observers: observer, n, accuracy, n_shape_or_texture, shape_bias, and of both their _low and _high.
        consistency: observer_a, observer_b, kappa, low, high, n.
        level: Of the intervals.
    """
    templates = environment()
    templates.filters["kappa"] = kappa_text
    numbers = {name: number for number, name in enumerate(observers["observer"])}
    templates.filters.update(
        colour=lambda name: numbers[name] % figures.COLOURS, mark=lambda name: figures.mark_of(numbers[name])
    )
    templates.globals["percent"] = words.percent
    return templates.get_template("decisions.html").render(
        **frame(templates),
        marks=figures.MARKS,
        accuracy=plot(observers, "accuracy", "n"),
        shape_bias=plot(observers, "shape_bias", "n_shape_or_texture"),
        names=list(observers["observer"]),
        cells=cells(consistency),
        shade=shade,
        level=f"{100 * level:g}%",
    )


def plot(observers: pd.DataFrame, column: str, counted: str) -> Plot:
    """The interval plot of one column, on a scale from 0 to 1; observers without a value are left out."""
    axis = figures.linear_axis(0.0, 1.0, text=lambda value: f"{100 * value:.0f}%", ceiling=1.0)
    strips = []
    for row in observers.sort_values(column, ascending=False, kind="stable").to_dict("records"):
        value, low, high = row[column], row[f"{column}_low"], row[f"{column}_high"]
        if not words.is_missing(value):
            mark = figures.Mark(at=axis.place(value), low=axis.place(low), high=axis.place(high))
            strips.append(Strip(observer=row["observer"], value=value, low=low, high=high, n=row[counted], mark=mark))
    return Plot(axis=axis, strips=tuple(strips))


def cells(consistency: pd.DataFrame) -> dict[tuple[str, str], Mapping[Hashable, Any]]:
    """The rows of the table by both orders of their observers."""
    rows = consistency.to_dict("records")
    found = {(row["observer_a"], row["observer_b"]): row for row in rows}
    return found | {(b, a): row for (a, b), row in found.items()}


def shade(kappa: float) -> int:
    """Of a cell, 0 to 4: kappa from 0 to 1 in equal steps."""
    return 0 if words.is_missing(kappa) else max(0, min(STEPS - 1, math.floor(STEPS * kappa)))


def kappa_text(kappa: float) -> str:
    """Two decimals with a real minus."""
    return words.NOTHING if words.is_missing(kappa) else f"{kappa:.2f}".replace("-", words.MINUS)


def observers_table(observers: pd.DataFrame) -> Table:
    """The same for a terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("observer", "images", "accuracy in %", "shape bias in %"):
        table.add_column(heading, justify="left" if heading == "observer" else "right", overflow="fold")
    for row in observers.to_dict("records"):
        shown = [_with_interval(row, column) for column in ("accuracy", "shape_bias")]
        table.add_row(Text(words.visible(row["observer"])), words.count(row["n"]), *shown)
    return table


def _with_interval(row: Mapping[Hashable, Any], column: str) -> str:
    value, low, high = (words.percent(row[name]) for name in (column, f"{column}_low", f"{column}_high"))
    return value if words.is_missing(row[column]) else f"{value} [{low}, {high}]"
