"""Networks side by side: each tower's large steps in regions that stand level with the other networks'.

The one idea: regions are input, stem, stages, pooling and head; within the stages a step is as tall as the share of the
network's depth that it takes, so that what is level has run equally far. Beside every block stands how much of the
image one place behind it can depend on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.report.anatomy.reach import attends, has_places
from visavis.report.drawing.graph import look_of
from visavis.report.drawing.network import Plate, cut_into, input_plate, input_words, plate_of, shape_words

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Layer, Part, Tower

REGIONS = ("stem", "stage", "pooling", "head")
MOST_DRAWN = 3  # blocks of different build that are drawn of one tower


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One step of a tower.

    Attributes:
        part: What is shown of it.
        plate: The drawn size of what it gives.
        says: The same in words.
        kind: Of its repeated block, or empty.
        layers: What it unfolds to.
        beside: Parameters that its layers do not hold, such as position embeddings.
        span: Share of the tower's depth that it takes.
        views: Side in pixels of what a place can depend on behind each block, or behind the step where none repeats;
            empty where that has no meaning.
        params_share, macs_share: Of the tower's; None where unknown.
    """

    part: Part
    plate: Plate
    says: str
    kind: str
    layers: tuple[Layer, ...]
    beside: int
    span: float
    views: tuple[int, ...]
    params_share: float | None
    macs_share: float | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One tower: what it reads, into how many patches a side that is cut (or 0), and its steps by region."""

    tower: Tower
    reads: str
    patches: int
    plate: Plate
    regions: dict[str, tuple[Piece, ...]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A layer whose inside is drawn, how many of its tower are built alike, and how: equal builds are equal values."""

    layer: Layer
    alike: int
    build: object


def columns_of(anatomy: Anatomy) -> list[Column]:
    """A column for each tower, the image tower first."""
    return [_column(tower) for tower in anatomy.towers]


def drawn_layers(tower: Tower) -> list[Drawn]:
    """The blocks that repeat, one of each build, and the first attention within them and behind them."""
    blocks: dict[object, list[Layer]] = {}
    for part in tower.parts:
        for layer in _blocks(tower, part):
            blocks.setdefault(_build(layer), []).append(layer)
    drawn = [Drawn(layer=same[0], alike=len(same), build=build) for build, same in list(blocks.items())[:MOST_DRAWN]]
    inside = (layer for one in drawn for layer in one.layer.walk())
    pooling = (layer for part in tower.parts if part.role == "pooling" for layer in _found(tower, part.layers))
    attentions = [_first_attention(inside), _first_attention(pooling)]
    return drawn + [Drawn(layer=layer, alike=1, build=_build(layer)) for layer in attentions if layer]


def _column(tower: Tower) -> Column:
    regions: dict[str, list[Piece]] = {region: [] for region in REGIONS}
    stages = [number for number, part in enumerate(tower.parts) if part.role == "stage"]
    before, seen = 0.0, 0
    for number, part in enumerate(tower.parts):
        region = part.role
        if stages and number < stages[0]:
            region = "stem"
        elif stages and number < stages[-1]:
            region = "stage"
        views = _views(tower, part, seen) if region in ("stem", "stage") else ()
        seen = max((seen, *views))
        regions[region].append(_piece(tower, part, part.depth - before, views))
        before = part.depth
    return Column(
        tower=tower,
        reads=input_words(tower.input_shape),
        patches=cut_into(tower),
        plate=input_plate(tower.input_shape),
        regions={region: tuple(pieces) for region, pieces in regions.items()},
    )


def _piece(tower: Tower, part: Part, span: float, views: tuple[int, ...]) -> Piece:
    layers = _found(tower, part.layers)
    params = sum(one.params for one in tower.parts)
    counted = [one.macs for one in tower.parts]
    macs = None if None in counted else sum(filter(None, counted))
    return Piece(
        part=part,
        plate=plate_of(part.output_shape),
        says=shape_words(part.output_shape),
        kind=tower.root.find(part.block).kind if part.block else "",
        layers=layers[0].children if len(layers) == 1 and layers[0].children else tuple(layers),
        beside=part.params - sum(layer.params for layer in layers),
        span=max(0.0, span),
        views=views,
        params_share=part.params / params if params else None,
        macs_share=part.macs / macs if macs and part.macs is not None else None,
    )


def _views(tower: Tower, part: Part, seen: int) -> tuple[int, ...]:
    """What a place can depend on behind each block of a part, before which it was `seen` pixels."""
    if len(tower.input_shape) != 3:
        return ()
    blocks = _blocks(tower, part) if part.block else []
    views = []
    for layers in [[block] for block in blocks] or [_found(tower, part.layers)]:
        inside = [layer for one in layers for layer in one.walk()]
        fields = [layer.receptive_field or 0 for layer in inside if has_places(layer)]
        whole = tower.input_shape[-1] if any(map(attends, inside)) else 0
        seen = max((seen, whole, *fields))
        views.append(seen)
    return tuple(views) if seen else ()


def _found(tower: Tower, names: Iterable[str]) -> list[Layer]:
    known = {layer.name: layer for layer in tower.root.walk()}
    return [known[name] for name in names if name in known]


def _blocks(tower: Tower, part: Part) -> list[Layer]:
    """All layers of a part of the kind that repeats."""
    if part.block is None:
        return []
    kind = tower.root.find(part.block).kind
    found = [layer for name in _found(tower, part.layers) for layer in name.walk() if layer.kind == kind]
    return found or [tower.root.find(part.block)]


def _build(layer: Layer) -> object:
    """What a layer consists of, without names and sizes."""
    names = [child.name for child in layer.children]
    return (
        layer.kind,
        tuple(
            (_build(child), tuple(names.index(source) if source in names else -1 for source in child.sources))
            for child in layer.children
        ),
    )


def _first_attention(layers: Iterable[Layer]) -> Layer | None:
    return next((one for one in layers if look_of(one.kind) == "attention" and len(one.children) > 1), None)
