"""What parts are worth, as intervals on one axis for all networks, the part whose loss changes most on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.report.anatomy.sights import short_layer
from visavis.report.figures import Axis, Mark, linear_axis
from visavis.report.words import MINUS

if TYPE_CHECKING:
    from visavis.inspection.sight.records import Ablation, Sight


@dataclass(frozen=True, kw_only=True)
class Row:
    """One part taken away, in the words of readers; `accuracy` is None without labels."""

    part: str
    ablation: Ablation
    cosine: Mark
    accuracy: Mark | None


@dataclass(frozen=True, kw_only=True)
class Worth:
    """The parts of every network that was measured without some; `points` is None without labels."""

    cosines: Axis
    points: Axis | None
    panels: tuple[tuple[Sight, tuple[Row, ...]], ...]


def worth_of(sights: Sequence[Sight]) -> Worth | None:
    """Rows and axes; None where no part was taken away."""
    every = [ablation for sight in sights for ablation in sight.ablations]
    if not every:
        return None
    cosines = _axis([(one.cosine, one.low, one.high) for one in every], high=1.0)
    changes = [one.accuracy for one in every if one.accuracy is not None]
    points = _axis(changes, high=0.0) if changes else None
    return Worth(
        cosines=cosines,
        points=points,
        panels=tuple((sight, _rows(sight, cosines, points)) for sight in sights if sight.ablations),
    )


def _rows(sight: Sight, cosines: Axis, points: Axis | None) -> tuple[Row, ...]:
    return tuple(
        Row(
            part=" of ".join(short_layer(word) for word in one.part.split(" of ")),
            ablation=one,
            cosine=_mark(cosines, one.cosine, one.low, one.high),
            accuracy=None if one.accuracy is None or points is None else _mark(points, *one.accuracy),
        )
        for one in sorted(sight.ablations, key=lambda one: one.cosine)
    )


def _axis(intervals: Iterable[tuple[float, float, float]], high: float) -> Axis:
    """An axis that holds all intervals and `high`, what no change is, where a line stands."""
    values = [value for interval in intervals for value in interval]
    axis = linear_axis(min(values), max(high, *values), text=lambda value: f"{round(value, 9):g}".replace("-", MINUS))
    return Axis(low=axis.low, high=axis.high, ticks=axis.ticks, references=((axis.place(high), "no change"),))


def _mark(axis: Axis, value: float, low: float, high: float) -> Mark:
    return Mark(at=axis.place(value), low=axis.place(low), high=axis.place(high))
