"""How far each model sees at each relative depth, and what it costs as images grow: lines on logarithmic axes.

Places are percent of a field's width and height, so that lines stretch with the page while text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.report.anatomy.record import crossings, halves
from visavis.report.drawing.graph import look_of

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Layer, Tower
    from visavis.inspection.sight.records import Reach, Sight

MOST_MARKS = 24  # on one line

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One model's curve; `points` and `dots` in percent, `said` names each point."""

    model: str
    kind: str
    points: tuple[Point, ...]
    said: tuple[str, ...]
    dots: tuple[Point, ...] = ()

    @property
    def marked(self) -> list[tuple[Point, str]]:
        """Some of the points, the last among them, with what they say."""
        every = max(1, math.ceil(len(self.points) / MOST_MARKS))
        return list(zip(self.points, self.said, strict=True))[(len(self.points) - 1) % every :: every]

    @property
    def path(self) -> str:
        """For an SVG of 100 by 100."""
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in self.points)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines between their axes; ticks are (place in percent, text); `marks` are (x, y, text)."""

    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]
    upwards: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, float, str], ...] = ()
    levels: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Scale:
    low: float
    high: float

    def place(self, value: float) -> float:
        low, high, at = (math.log(number) for number in (self.low, self.high, max(value, self.low)))
        return round(100 * (min(at, high) - low) / (high - low), 2)


def reach_chart(anatomies: Sequence[Anatomy], sights: Sequence[Sight]) -> Chart | None:
    """Relative depth to the right, pixels upwards; None where nothing is known."""
    seen = {sight.model: sight for sight in sights}
    curves: list[tuple[str, str, list[Reach | _Step]]] = []
    sizes: list[tuple[float, str]] = []
    for anatomy in anatomies:
        tower = image_tower(anatomy)
        sight = seen.get(anatomy.name)
        reaches: list[Reach | _Step] = list(sight.reaches) if sight else []
        if tower and not any(reach.kind == "theoretical" for reach in reaches):
            reaches += theoretical(tower)
        for kind in ("theoretical", "effective", "attention"):
            own = sorted((reach for reach in reaches if reach.kind == kind and reach.pixels > 0), key=lambda r: r.depth)
            if own:
                curves.append((anatomy.name, kind, own))
        if tower and len(tower.input_shape) == 3:
            sizes.append((float(tower.input_shape[-1]), f"image, {tower.input_shape[-1]} px"))
    if not curves:
        return None
    pixels = [max(p, 1.0) for *_, own in curves for reach in own for p in (reach.pixels, *reach.heads)]
    scale = _Scale(low=min(pixels) / 1.15, high=max([*pixels, *(size for size, _ in sizes)]) * 1.15)
    lines = [_reach_line(model, kind, own, scale) for model, kind, own in curves]
    return Chart(
        lines=tuple(lines),
        across=tuple((25.0 * quarter, text) for quarter, text in enumerate(("0", "¼", "½", "¾", "1"))),
        upwards=tuple((100 - scale.place(tick), f"{tick:g}") for tick in _ticks(scale)),
        levels=tuple((100 - scale.place(size), text) for size, text in dict(sizes).items()),
    )


def growth_chart(anatomies: Sequence[Anatomy]) -> Chart | None:
    """Side of the image to the right, MACs upwards; None where no model has two sizes."""
    grown = [anatomy for anatomy in anatomies if sum(growth.macs > 0 for growth in anatomy.growth) > 1]
    if not grown:
        return None
    every = [growth for anatomy in grown for growth in anatomy.growth if growth.macs > 0]
    across = _Scale(low=min(g.image_size for g in every), high=max(g.image_size for g in every))
    lowest = min(growth.macs for growth in every)
    upwards = _Scale(low=lowest / 4, high=max(growth.macs for growth in every) * 1.2)
    lines = []
    for anatomy in grown:
        for kind in ("macs", "attention_macs"):
            own = [(g.image_size, getattr(g, kind)) for g in anatomy.growth if getattr(g, kind) >= upwards.low]
            if len(own) > 1:
                points = tuple((across.place(size), round(100 - upwards.place(macs), 2)) for size, macs in own)
                said = tuple(f"{size} px: {macs:,} MACs" for size, macs in own)
                lines.append(Line(model=anatomy.name, kind=kind, points=points, said=said))
    told = [(size, macs, f"{a} and {b} cost the same at {size:,.0f} px") for a, b, size, macs in crossings(grown)]
    told += [
        (size, macs, f"from {size:,.0f} px attention’s two products are half of {name}")
        for name, size, macs in halves(grown)
    ]
    marks = [(across.place(size), round(100 - upwards.place(macs), 2), text) for size, macs, text in sorted(told)]
    sizes = sorted({growth.image_size for growth in every})
    doubled = [size for size in sizes if size.bit_count() == 1]  # 64, 128 and so on, where there are enough
    return Chart(
        lines=tuple(lines),
        across=_apart([(across.place(size), f"{size}") for size in (doubled if len(doubled) > 2 else sizes)]),
        upwards=tuple((100 - upwards.place(tick), _macs_tick(tick)) for tick in _ticks(upwards)),
        marks=tuple(marks),
    )


@dataclass(frozen=True, kw_only=True)
class _Step:
    """As a `Reach`, from arithmetic alone."""

    layer: str
    depth: float
    pixels: float
    kind: str = "theoretical"
    heads: tuple[float, ...] = ()


def theoretical(tower: Tower) -> list[_Step]:
    """Receptive fields of a tower's maps and sequences where they grow; attention whose field is unknown sees all.

    The depth is as in `Part.depth`: the share of the layers that multiply by learned weights.
    """
    leaves = [layer for layer in tower.root.walk() if not layer.children and layer.output_shape is not None]
    weighted = {layer.name for layer in leaves if layer.params and layer.macs != 0}
    attending = tuple(layer.name for layer in tower.root.walk() if attends(layer))
    ran, field, steps = 0, 0.0, list[_Step]()
    for layer in leaves:
        ran += layer.name in weighted
        sees = layer.receptive_field if has_places(layer) else None
        if sees is None and any(layer.name == name or layer.name.startswith(f"{name}.") for name in attending):
            sees = max(tower.input_shape[-1], math.ceil(field))
        if sees and sees > field:
            field = float(sees)
            steps.append(_Step(layer=layer.name, depth=ran / len(weighted) if weighted else 1.0, pixels=field))
    return [*steps, _Step(layer=steps[-1].layer, depth=1.0, pixels=field)] if steps else []


def has_places(layer: Layer) -> bool:
    """Whether it gives a map or a sequence, not one vector."""
    shape = layer.output_shape or ()
    return math.prod(shape[1:]) > 1 if len(shape) == 3 else len(shape) == 2


def attends(layer: Layer) -> bool:
    """Whether every place of it can look at every other."""
    return look_of(layer.kind) == "attention"


def image_tower(anatomy: Anatomy) -> Tower | None:
    """The tower that reads images, if there is one."""
    return next((tower for tower in anatomy.towers if tower.kind == "image"), None)


def _reach_line(model: str, kind: str, reaches: Sequence[Reach | _Step], scale: _Scale) -> Line:
    def point(reach: Reach | _Step, pixels: float) -> Point:
        return round(100 * min(max(reach.depth, 0), 1), 2), round(100 - scale.place(pixels), 2)

    return Line(
        model=model,
        kind=kind,
        points=tuple(point(reach, reach.pixels) for reach in reaches),
        said=tuple(f"{reach.layer}: {reach.pixels:.0f} px" for reach in reaches),
        dots=tuple(point(reach, max(pixels, 1.0)) for reach in reaches for pixels in reach.heads),
    )


def _ticks(scale: _Scale) -> list[float]:
    """1, 2 and 5 times powers of ten within a scale, or the powers alone where they are many."""
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    return [value for value in values if scale.low <= value <= scale.high]


def _apart(ticks: Sequence[tuple[float, str]], least: float = 9.0) -> tuple[tuple[float, str], ...]:
    """Those ticks that are far enough from the one before, in percent."""
    kept: list[tuple[float, str]] = []
    for at, text in ticks:
        if not kept or at - kept[-1][0] >= least:
            kept.append((at, text))
    return tuple(kept)


def _macs_tick(value: float) -> str:
    power = math.floor(math.log10(value) + 1e-9)
    prefix, base = next(((p, b) for p, b in (("T", 12), ("G", 9), ("M", 6), ("k", 3)) if power >= b), ("", 0))
    return f"{value / 10**base:g} {prefix}".strip()
