"""A whole network: an SVG of its towers, each block as a plate, the blocks of a stage as a stack of them.

The one idea: one scale for maps and for sequences. A plate is as wide as the square root of its grid's side, in places
or tokens, and as thick as the square root of its channels or width; so a ResNet's pyramid and a ViT's column can be
compared at a glance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from visavis.report import words
from visavis.report.drawing.graph import short_name
from visavis.report.drawing.svg import drawing_style, templates
from visavis.report.drawing.text import count_text, fit, macs_text, shape_text

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Layer, Shape, Tower

TOWER = 316  # width of one tower in pixels
PLATES = 112  # width of the part of it that holds plates
TEXT = TOWER - PLATES - 16
ACROSS, THICK, SLANT = 4.7, 0.62, 0.36  # pixels for the root of a place, of a channel; depth of a plate for its width
WIDEST = 84.0  # a plate with its slant fits into PLATES
STACK, CLOSEST = 140, 3.5  # height of a stack, from one of its plates to the next
FINEST = 3  # pixels between cuts that are drawn
LINE, ROOM = 17, 20  # from line to line, between steps
HEAD = 44  # above a tower, for its name
MOST_STEPS = 40  # of a network without known parts


@dataclass(frozen=True, kw_only=True)
class Plate:
    """The drawn size of a map, a sequence or a vector, in pixels."""

    width: float
    thickness: float
    slant: float

    @property
    def height(self) -> float:
        """Of all that is seen of it."""
        return self.thickness + self.slant


@dataclass(frozen=True, kw_only=True)
class Step:
    """One large step of a tower: a stack of plates, and its texts, the title first.

    `cuts` are the patches along a side of the plate, where it is cut into patches.
    """

    role: str
    plate: Plate
    lines: tuple[str, ...]
    plates: int = 1
    cuts: int = 0
    y: float = 0.0
    height: float = 0.0

    @property
    def pitch(self) -> float:
        """From one plate of the stack to the next: without overlap, where there is room."""
        return round(max(CLOSEST, min(self.plate.height + 3, STACK / self.plates)), 1)

    @property
    def stack(self) -> float:
        """The height of all its plates."""
        return self.plate.height + self.pitch * (self.plates - 1)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One tower, from its input to its output."""

    heading: str
    x: float
    steps: tuple[Step, ...]
    bottom: float


def network_svg(anatomy: Anatomy, identity: str | None = None) -> str:
    """All towers of a network side by side, as an SVG; two towers meet in the cosine of their embeddings.

    Args:
        anatomy: What to draw.
        identity: As of `block_svg`: None for a drawing that stands alone in a file.
    """
    columns = tuple(_column(tower, TOWER * number) for number, tower in enumerate(anatomy.towers))
    bottom = max((column.bottom for column in columns), default=HEAD)
    meets = len(columns) > 1
    return (
        templates()
        .get_template("anatomy_network.html")
        .render(
            name=anatomy.name,
            told=_told(anatomy),
            columns=columns,
            width=TOWER * max(1, len(columns)),
            height=round(bottom + (58 if meets else 6), 1),
            bottom=bottom,
            meets=meets,
            centre=PLATES / 2,
            identity=identity or "network",
            style="" if identity else drawing_style(),
        )
    )


def plate_of(shape: Shape) -> Plate:
    """The plate of [channels, height, width], [tokens, width] or [width]."""
    places, channels = _places(shape)
    width = min(max(7.0, ACROSS * math.sqrt(places)), WIDEST)
    return Plate(
        width=round(width, 1),
        thickness=round(max(2.0, THICK * math.sqrt(channels)), 1),
        slant=round(SLANT * width, 1),
    )


def input_plate(shape: Shape) -> Plate:
    """The plate of what a tower reads; [tokens] have one number each."""
    return plate_of(shape if len(shape) > 1 else (*shape, 1))


def cut_into(tower: Tower) -> int:
    """Into how many patches a side of the image is cut, or 0 where it is not."""
    shape = tower.parts[0].output_shape if tower.parts and tower.kind == "image" else ()
    if len(shape) != 2:
        return 0
    sides = [side for tokens in (shape[0], shape[0] - 1) if (side := math.isqrt(tokens)) ** 2 == tokens]  # class token
    return sides[0] if sides else 0


def shape_words(shape: Shape) -> str:
    """A shape in words: "256 channels, 56×56", "50 tokens of 768", "a vector of 1,000"."""
    if len(shape) == 3:
        channels, height, width = _map(shape)
        return f"{channels:,} channels, {height}×{width}"
    if len(shape) == 2:
        return f"{shape[0]:,} tokens of {shape[1]:,}"
    return f"a vector of {shape[0]:,}" if len(shape) == 1 else shape_text(shape)


def input_words(shape: Shape) -> str:
    """What a tower reads: "3 colours, 224×224", "77 tokens"."""
    if len(shape) == 3:
        return f"{shape[0]} colours, {shape[1]}×{shape[2]}" if shape[0] == 3 else shape_words(shape)
    return f"{shape[0]:,} token numbers" if len(shape) == 1 else shape_words(shape)


def _places(shape: Shape) -> tuple[float, int]:
    """The side of the grid of places and the numbers at each; a sequence counts as a square one."""
    if len(shape) == 3:
        channels, height, width = _map(shape)
        return math.sqrt(height * width), channels
    if len(shape) == 2:
        return math.sqrt(shape[0]), shape[1]
    return 1.0, shape[0] if shape else 1


def _map(shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width; a square map whose channels come last is one that shows it."""
    first, second, third = shape
    return (third, first, second) if first == second != third else (first, second, third)


def _column(tower: Tower, x: float) -> Column:
    steps, y = [], float(HEAD)
    for step in (_input(tower), *(_parts(tower) if tower.parts else _foreign(tower.root))):
        height = max(step.stack, LINE * len(step.lines) - 2)
        steps.append(replace(step, y=round(y, 1), height=round(height, 1)))
        y += height + ROOM
    heading = f"{tower.kind} tower"
    return Column(heading=heading.capitalize(), x=x, steps=tuple(steps), bottom=round(y - ROOM, 1))


def _input(tower: Tower) -> Step:
    title = "Image" if tower.kind == "image" else "Text"
    shape = tower.input_shape
    plate, patches = input_plate(shape), cut_into(tower)
    cuts = patches if patches * FINEST <= plate.width else 0
    return Step(role="input", plate=plate, lines=_fitted(title, input_words(shape)), cuts=cuts)


def _parts(tower: Tower) -> list[Step]:
    steps = []
    for part in tower.parts:
        costs = _costs(part.params, part.macs)
        kind = words.visible(tower.root.find(part.block).kind) if part.block else ""
        repeated = f"{part.blocks} × {kind}" if kind and str(part.blocks) not in part.title.split() else ""
        lines = _fitted(words.visible(part.title), repeated, shape_words(part.output_shape), costs)
        plate = plate_of(part.output_shape)
        steps.append(Step(role=part.role, plate=plate, lines=lines, plates=max(1, part.blocks)))
    return steps


def _foreign(root: Layer) -> list[Step]:
    """The steps of a network whose parts are unknown: what runs in its root, neighbours that are alike folded."""
    ran = [child for child in root.children if child.output_shape is not None]
    folded = [list(same) for _, same in groupby(ran, key=lambda child: (child.kind, child.output_shape))]
    steps = [_foreign_step(same, root.name) for same in folded[:MOST_STEPS]]
    if len(folded) > MOST_STEPS:
        rest = sum(map(len, folded[MOST_STEPS:]))
        steps.append(Step(role="stage", plate=plate_of((1,)), lines=(f"and {rest} more",)))
    return steps


def _foreign_step(same: Sequence[Layer], parent: str) -> Step:
    first, shape = same[0], same[0].output_shape or ()
    times = f"{len(same)} × " if len(same) > 1 else ""
    known = [layer.macs for layer in same if layer.macs is not None]
    macs = sum(known) if len(known) == len(same) else None
    costs = _costs(sum(layer.params for layer in same), macs)
    name = words.visible(short_name(first.name, parent))
    lines = _fitted(f"{times}{words.visible(first.kind)}", name, shape_words(shape), costs)
    return Step(role="stage", plate=plate_of(shape), lines=lines, plates=len(same))


def _costs(params: int, macs: int | None) -> str:
    """What a step costs, without what it does not have."""
    said = [f"{count_text(params)} params"] if params else []
    return ", ".join([*said, macs_text(macs)] if macs != 0 else said)


def _fitted(title: str, *others: str) -> tuple[str, ...]:
    return (fit(title, 13, TEXT, bold=True), *(fit(line, 11, TEXT) for line in others if line))


def _told(anatomy: Anatomy) -> str:
    """The drawing in words."""
    towers = []
    for tower in anatomy.towers:
        parts = "; ".join(f"{part.title}, {shape_words(part.output_shape)}" for part in tower.parts)
        towers.append(f"{tower.kind} tower: {input_words(tower.input_shape)}; {parts}".rstrip("; ") + ".")
    return words.visible_lines(" ".join(towers).capitalize())
