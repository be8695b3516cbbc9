"""Lines with their intervals from a tidy table, such as accuracy against the number of examples: one line a model.

Places are percent of the field's width and height, so that the browser sets the size and text keeps its own. The macro
`curves` of curves.html draws a `Curves`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.report.figures import Axis, linear_axis, logarithmic_axis
from visavis.report.words import is_missing, percent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """A value of a line: where it stands, in percent from the left and from the top, and what it says."""

    x: float
    y: float
    low: float
    high: float
    says: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A model's line; `path` joins its points, `band` surrounds its intervals ("" without)."""

    model: str
    points: tuple[CurvePoint, ...]
    path: str
    band: str


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Lines between their axes; ticks and levels are (place in percent, text); levels are dashed, such as chance."""

    across: tuple[tuple[float, str], ...]
    upwards: tuple[tuple[float, str], ...]
    levels: tuple[tuple[float, str], ...]
    lines: tuple[Curve, ...]
    title_across: str
    title_up: str


def curves(  # each is one choice about the figure
    table: pd.DataFrame,
    *,
    x: str,
    y: str = "value",
    titles: tuple[str, str],
    logarithmic: bool = False,
    text: Callable[[float], str] = lambda share: f"{percent(share)}%",
    levels: Sequence[tuple[float, str]] = (),
) -> Curves:
    """One line a model.

    Args:
        table: model, the columns x and y, and low and high where there are intervals; rows without y are left out.
        x: The column that runs to the right; its values become ticks where they are at most ten.
        y: The column that runs upwards.
        titles: Of the axes, across and up.
        logarithmic: Whether equal steps to the right are equal factors.
        text: How a value of y reads.
        levels: Lines across the field: (value of y, text).

    Raises:
        ValueError: The table has no rows.
    """
    rows = table[table[y].notna()]
    if rows.empty:
        raise ValueError("A figure of lines needs rows.")
    ends = [name for name in ("low", "high") if name in rows]
    reach = [*rows[[y, *ends]].stack(), *(value for value, _ in levels)]
    up = linear_axis(min(reach), max(reach), text=text)
    values = sorted(set(rows[x]))
    across = _across(values, logarithmic)
    lines = []
    for model, own in rows.groupby("model", sort=False):
        points = tuple(_point(row, (x, y), across, up, text) for _, row in own.sort_values(x).iterrows())
        lines.append(Curve(model=str(model), points=points, path=_path(points), band=_band(points) if ends else ""))
    return Curves(
        across=tuple((_full(at), label) for at, label in across.ticks),
        upwards=tuple((100 - _full(at), label) for at, label in up.ticks),
        levels=tuple((100 - _full(up.place(value)), label) for value, label in levels),
        lines=tuple(lines),
        title_across=titles[0],
        title_up=titles[1],
    )


def _across(values: Sequence[float], logarithmic: bool) -> Axis:
    """The scale to the right, with a tick at each value where they are few."""
    low, high = float(values[0]), float(values[-1])
    if logarithmic and low > 0:
        axis = logarithmic_axis(low, high) if len(values) > 10 else Axis(low=low, high=high * 1.0001, logarithmic=True)
    else:
        axis = linear_axis(low, high, text="{:g}".format) if len(values) > 10 else Axis(low=low, high=high)
    if axis.high <= axis.low * (1 + 1e-9):
        axis = Axis(low=axis.low - 1, high=axis.low + 1)
    if axis.ticks:
        return axis
    ticks = tuple((axis.place(value), f"{value:g}") for value in values)
    return Axis(low=axis.low, high=axis.high, ticks=ticks, logarithmic=axis.logarithmic)


def _point(row: Any, names: tuple[str, str], across: Axis, up: Axis, text: Callable[[float], str]) -> CurvePoint:
    x, y = names
    value = float(row[y])
    low, high = (value if is_missing(row.get(end, math.nan)) else float(row[end]) for end in ("low", "high"))
    interval = f" [{text(low)}, {text(high)}]" if low < high else ""
    return CurvePoint(
        x=_full(across.place(float(row[x]))),
        y=100 - _full(up.place(value)),
        low=100 - _full(up.place(low)),
        high=100 - _full(up.place(high)),
        says=f"{x.replace('_', ' ')} {row[x]:g}: {text(value)}{interval}",
    )


def _path(points: Sequence[CurvePoint]) -> str:
    return "M" + "L".join(f"{point.x:g} {point.y:g}" for point in points)


def _band(points: Sequence[CurvePoint]) -> str:
    there = [f"{point.x:g} {point.high:g}" for point in points]
    back = [f"{point.x:g} {point.low:g}" for point in reversed(points)]
    return "M" + "L".join([*there, *back]) + "Z"


def _full(place: float) -> float:
    """A place of `Axis`, whose margins the field has outside, in percent."""
    return round((place - 5.0) / 0.9, 3)
