"""From tidy tables to what a figure draws: places on an axis, in percent of its width.

Widths are left to the browser, so that text keeps its size on a phone; heights are pixels. The templates turn these
records into SVG. A model has one colour and one mark in every figure: its number in `number_models`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.report.tables import Cell, ResultGroup, ResultRow, cost_rows, in_order
from visavis.report.words import is_missing, quantity

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 5.0  # percent of the width on either side of an axis, for half a tick's label
COLOURS = 8
# Outlines of about equal area, centred on 0, 0; they tell models apart without colour.
MARKS = (
    "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0Z",
    "M-5-5H5V5H-5Z",
    "M0-7 6.8 5H-6.8Z",
    "M0-7.2 7.2 0 0 7.2-7.2 0Z",
    "M0 7 6.8-5H-6.8Z",
    "M-2-6.5H2V-2H6.5V2H2V6.5H-2V2H-6.5V-2H-2Z",
    "M-3-6H3L6.5 0 3 6H-3L-6.5 0Z",
    "M0-7 2-2.2 7-2 3.2 1.4 4.5 6.5 0 3.7-4.5 6.5-3.2 1.4-7-2-2-2.2Z",
)
SCATTER_HEIGHT, SCATTER_TOP, SCATTER_BOTTOM = (
    300,
    22,
    264,
)  # pixels: of the figure, of its highest and lowest value
LINE = 17  # pixels between two labels
SMALLEST = 1e-9  # of what an axis tells apart from nothing


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A scale from low to high with labelled ticks.

    Attributes:
        ticks: (place, text).
        references: (place, text): lines such as chance or zero.
        logarithmic: Equal steps are equal factors.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    references: tuple[tuple[float, str], ...] = ()
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, in percent of the width; the ends of the axis lie MARGIN inside."""
        low, high, value = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        share = (min(max(value, low), high) - low) / (high - low)
        return round(MARGIN + (100 - 2 * MARGIN) * share, 3)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value with its interval on an axis."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One measure of an interval plot: tie groups of rows, best first."""

    group: ResultGroup
    ties: tuple[tuple[int | None, tuple[tuple[ResultRow, Mark], ...]], ...]


@dataclass(frozen=True, kw_only=True)
class EffectPanel:
    """One effect under one view: a row of the effects table for each measure, with its mark."""

    view: str
    effect: str
    description: str
    rows: tuple[tuple[Any, Mark], ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A model in a scatter plot: `x` and its range in percent of the width, `y` and its interval in pixels."""

    model: str
    cost: Cell
    accuracy: Cell
    x: Mark
    y: Mark
    label_y: float
    label_left: bool


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Accuracy against one cost; `levels` are the horizontal lines: (pixel, text, is chance)."""

    metric: str
    axis: Axis
    levels: tuple[tuple[float, str, bool], ...]
    points: tuple[Point, ...]


def number_models(protocol: Mapping[str, Any], results: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, int]:
    """Each model's number, which is its colour and mark: in the protocol's order, then in the tables'."""
    named = [
        *(model["name"] for model in protocol.get("models", ())),
        *results["model"],
        *predictions["model"].unique(),
    ]
    named += [cell["model"] for cell in protocol.get("empty_cells", ())]
    return {str(name): number for number, name in enumerate(dict.fromkeys(named))}


def mark_of(number: int) -> int:
    """The outline of a model's mark; a ninth model has the first one's colour and another outline."""
    return (number + number // COLOURS) % len(MARKS)


def accuracy_axis(groups: Sequence[ResultGroup], n_classes: int | None) -> Axis:
    """One scale for all panels: from 0 where the intervals reach far, else cut to them; chance where it is known."""
    cells = [row.cells["accuracy"] for group in groups for row in group.rows if "accuracy" in row.cells]
    low, high = _reach(cells)
    axis = linear_axis(0.0 if high - low > 0.3 * high else low, high, text=_percent_tick, ceiling=1.0)
    chance = 1 / n_classes if n_classes else None
    return _with_reference(axis, chance, "chance")


def accuracy_panels(groups: Sequence[ResultGroup], axis: Axis) -> list[Panel]:
    """The interval plot of accuracy: a panel a group, a row a model, rows of one tie group together."""
    panels = []
    for group in groups:
        ties: dict[int | None, list[tuple[ResultRow, Mark]]] = {}
        for row in group.rows:
            if "accuracy" in row.cells:
                ties.setdefault(row.tie_group, []).append((row, _mark(row.cells["accuracy"], axis)))
        if ties:
            panels.append(Panel(group=group, ties=tuple((number, tuple(rows)) for number, rows in ties.items())))
    return panels


def difference_axis(table: pd.DataFrame) -> Axis:
    """A scale of differences in percentage points that holds all intervals and zero."""
    low, high = _reach(table.itertuples(), value="difference")
    axis = linear_axis(min(low, 0.0), max(high, 0.0), text=_points_tick)
    return _with_reference(axis, 0.0, "no difference")


def difference_mark(row: Any, axis: Axis) -> Mark:
    """The mark of a row of the pairs or effects table."""
    return _mark(
        Cell(value=row.difference, low=row.low, high=row.high, n=row.n, draw_low=math.nan, draw_high=math.nan),
        axis,
    )


def effect_panels(effects: pd.DataFrame, axis: Axis) -> list[EffectPanel]:
    """The interval plot of effects: a panel a view and effect, a row a measure."""
    panels = []
    for view in dict.fromkeys(effects["view"]):
        for effect in dict.fromkeys(effects["effect"]):
            own = effects[(effects["view"] == view) & (effects["effect"] == effect)]
            by_measure = {row.measure: row for row in own.itertuples(index=False)}
            ordered = [by_measure[measure] for measure in in_order(by_measure)]
            panels.append(
                EffectPanel(
                    view=str(view),
                    effect=str(effect),
                    description=str(own["description"].iloc[0]),
                    rows=tuple((row, difference_mark(row, axis)) for row in ordered),
                )
            )
    return panels


def cost_scatter(results: pd.DataFrame, group: ResultGroup, metric: str, axis: Axis) -> Scatter | None:
    """Accuracy of a group's models against one cost; None where fewer than two models have both.

    Args:
        results: The results table, for its cost rows.
        group: The models' accuracies.
        metric: Of the cost.
        axis: Of accuracy; it is set upright here.
    """
    costs = {model: cells[metric] for model, cells in cost_rows(results).items() if metric in cells}
    both = [
        (row.model, costs[row.model], row.cells["accuracy"]) for row in group.rows if row.cells and row.model in costs
    ]
    both = [(model, cost, cell) for model, cost, cell in both if cost.value > 0]
    if len(both) < 2:
        return None
    across = _cost_axis([cost for _, cost, _ in both])
    heights = [_height(axis.place(cell.value)) for _, _, cell in both]
    points = tuple(
        Point(
            model=model,
            cost=cost,
            accuracy=cell,
            x=_mark(cost, across),
            y=Mark(at=height, low=_height(axis.place(cell.low)), high=_height(axis.place(cell.high))),
            label_y=label_y,
            label_left=across.place(cost.value) > 50,
        )
        for (model, cost, cell), height, label_y in zip(both, heights, spread_out(heights), strict=True)
    )
    levels = [(_height(at), text, False) for at, text in axis.ticks]
    levels += [(_height(at), text, True) for at, text in axis.references]
    return Scatter(metric=metric, axis=across, levels=tuple(levels), points=points)


def spread_out(heights: Sequence[float]) -> list[float]:
    """Heights of labels, at least LINE apart and as near to the given ones as pushing downwards and back allows."""
    order = sorted(range(len(heights)), key=lambda number: heights[number])
    placed: list[float] = []
    for number in order:
        placed.append(max(heights[number], placed[-1] + LINE) if placed else heights[number])
    lowest = SCATTER_BOTTOM - LINE / 2
    for number in reversed(range(len(placed))):
        placed[number] = min(placed[number], lowest)
        lowest = placed[number] - LINE
    return [height for _, height in sorted(zip(order, placed, strict=True))]


def linear_axis(low: float, high: float, *, text: Callable[[float], str], ceiling: float = math.inf) -> Axis:
    """A scale that holds both ends, with about five round steps of 1, 2 or 5 times a power of ten."""
    size = max(abs(low), abs(high), SMALLEST)
    span = high - low if high - low > 1e-6 * size else size
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span / 5 * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(min(last, round(ceiling / step)) if ceiling < math.inf else last, first + 1)
    bare = Axis(low=first * step, high=last * step)
    values = [number * step for number in range(first, last + 1)]
    return Axis(low=bare.low, high=bare.high, ticks=tuple((bare.place(value), text(value)) for value in values))


def logarithmic_axis(low: float, high: float) -> Axis:
    """A scale over factors with ticks at 1, 2 and 5 times powers of ten, or at the powers alone where they are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    start = max(value for value in values if value <= low * 1.001)
    stop = min((value for value in values if value >= high * 0.999), default=10.0**last)
    bare = Axis(low=start, high=max(stop, start * 2), logarithmic=True)
    ticks = tuple((bare.place(value), _quantity_tick(value)) for value in values if start <= value <= bare.high)
    return Axis(low=bare.low, high=bare.high, ticks=ticks, logarithmic=True)


def _cost_axis(cells: Sequence[Cell]) -> Axis:
    low, high = _reach(cells)
    return logarithmic_axis(low, high) if high > 8 * low > 0 else linear_axis(0.0, high, text=_quantity_tick)


def _reach(rows: Iterable[Any], value: str = "value") -> tuple[float, float]:
    """The lowest and the highest of all values and intervals."""
    numbers = [getattr(row, name) for row in rows for name in (value, "low", "high")]
    known = [float(number) for number in numbers if not is_missing(number)]
    return (min(known), max(known)) if known else (0.0, 1.0)


def _mark(cell: Cell, axis: Axis) -> Mark:
    low, high = (cell.value if is_missing(end) else end for end in (cell.low, cell.high))
    return Mark(at=axis.place(cell.value), low=axis.place(low), high=axis.place(high))


def _with_reference(axis: Axis, value: float | None, text: str) -> Axis:
    if value is None or not axis.low <= value <= axis.high:
        return axis
    return Axis(low=axis.low, high=axis.high, ticks=axis.ticks, references=((axis.place(value), text),))


def _height(place: float) -> float:
    share = (place - MARGIN) / (100 - 2 * MARGIN)
    return round(SCATTER_BOTTOM - (SCATTER_BOTTOM - SCATTER_TOP) * share, 2)


def _percent_tick(value: float) -> str:
    return f"{round(100 * value, 6):g}%"


def _quantity_tick(value: float) -> str:
    return re.sub(r"\.?0+(?=\s|$)", "", text) if "." in (text := quantity(value)) else text


def _points_tick(value: float) -> str:
    rounded = round(100 * value, 6)
    return f"{rounded:+g}".replace("-", "\N{MINUS SIGN}") if rounded else "0"
