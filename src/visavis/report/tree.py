"""Opened networks in a terminal: their large steps side by side, and a tree of layers with the identical ones folded.

The one idea: siblings that do the same on the same shapes are one line with a factor, so that a network of hundreds of
layers fits on a screen and still shows every kind of block that it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from visavis.report.drawing.text import settings_text, shape_text
from visavis.report.words import NOTHING, count, quantity, visible

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Layer, Part, Tower

NUMBERS = (("output", 16), ("params", 9), ("MACs", 9), ("sees", 8))  # columns beside a layer, with their widths
GUIDE = 4  # characters of rich's guide at each level
LEAST_NAME = 24
REGIONS = ("stem", "stage", "pooling", "head")


def parts_table(anatomies: Sequence[Anatomy]) -> Table:
    """A column a network, a row a step; steps of one role stand in one row, texts below images."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for anatomy in anatomies:
        table.add_column(Text(visible(anatomy.name), style="bold"), overflow="fold")
    table.add_row("family", *(anatomy.family for anatomy in anatomies))
    table.add_row("parameters", *(count(anatomy.params) for anatomy in anatomies))
    table.add_row("MACs an image", *(_count(anatomy.macs) for anatomy in anatomies))
    table.add_row("FLOPs an image", *(_count(None if a.macs is None else 2 * a.macs) for a in anatomies))
    if any(len(anatomy.towers) > 1 for anatomy in anatomies):
        texts = (_count(a.text_macs) if len(a.towers) > 1 else NOTHING for a in anatomies)
        table.add_row("MACs a text", *texts)
    for kind in ("image", "text"):
        towers = [next((t for t in anatomy.towers if t.kind == kind), None) for anatomy in anatomies]
        if any(tower is not None and tower.parts for tower in towers):
            table.add_section()
            _add_tower_rows(table, kind, towers)
    return table


def layer_tree(anatomy: Anatomy, depth: int, width: int) -> Tree:
    """The layers of all towers as a tree.

    Args:
        anatomy: What to show.
        depth: Levels below each tower: 1 for stages, 2 for blocks, 3 for what is in them.
        width: Of the terminal in characters; names and settings are cut, numbers never.
    """
    named = max(LEAST_NAME, width - sum(space + 1 for _, space in NUMBERS))
    head = Text(f"{visible(anatomy.name):{named}.{named}}", style="bold", no_wrap=True)
    for title, space in NUMBERS:
        head.append(f" {title:>{space}}")
    tree = Tree(head)
    for tower in anatomy.towers:
        label = f"{tower.kind} tower, {shape_text(tower.input_shape)}: {tower.root.kind}"
        branch = tree.add(_line(label, "", tower.root, named - GUIDE))
        _grow(branch, tower.root, depth, named - 2 * GUIDE)
    return tree


def rules_table(anatomy: Anatomy) -> Table:
    """How its famous numbers are counted."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", justify="right")
    table.add_column(overflow="fold")
    for rule in anatomy.rules:
        said = Text("" if rule.sum == str(rule.number) else f"= {settings_text(rule.sum)}. ", style="bold")
        table.add_row(f"{rule.number:,}", said.append(rule.says, style="not bold"))
    return table


def folded(layers: Sequence[Layer]) -> Iterator[tuple[Layer, ...]]:
    """Neighbours of one build together."""
    at = 0
    while at < len(layers):
        end = at + 1
        while end < len(layers) and _build(layers[end]) == _build(layers[at]):
            end += 1
        yield tuple(layers[at:end])
        at = end


def _grow(branch: Tree, layer: Layer, depth: int, room: int) -> None:
    if depth < 1:
        return
    for same in folded(layer.children):
        first, last = same[0], same[-1]  # fields of view grow from one to the next
        name = first.name.removeprefix(f"{layer.name}." if layer.name else "")
        label = f"{name} {first.kind}" if first.is_module else name
        inner = branch.add(_line(label, f" × {len(same)}" if len(same) > 1 else "", last, room))
        _grow(inner, first, depth - 1, room - GUIDE)


def _line(label: str, factor: str, layer: Layer, room: int) -> Text:
    """One layer: what it is, cut to `room` characters, then its numbers in columns."""
    line = Text(no_wrap=True, style="" if layer.output_shape is not None else "dim")
    settings = settings_text(layer.settings)
    plain = f"{visible(label)}{factor}"
    said = f"{plain}  {settings}" if settings else plain
    cut = said if len(said) <= room else said[: max(room - 1, 1)] + "…"
    line.append(cut[: len(plain)])
    line.append(cut[len(plain) :].ljust(room - len(cut[: len(plain)])), style="dim")
    sees = "" if layer.receptive_field is None else f"{layer.receptive_field} px"
    params = _quantity(layer.params) if layer.params else ""
    macs = _quantity(layer.macs) if layer.macs != 0 else ""
    shape = "never runs" if layer.output_shape is None else shape_text(layer.output_shape)
    for (_, space), value in zip(NUMBERS, (shape, params, macs, sees), strict=True):
        line.append(f" {value:>{space}}")
    return line


def _build(layer: Layer) -> tuple[object, ...]:
    """What a layer is and does, without its name and place; fields of view differ between equal blocks."""
    inside = tuple(_build(child) for child in layer.children)
    return layer.kind, layer.settings, layer.input_shapes, layer.output_shape, layer.params, layer.macs, inside


def _add_tower_rows(table: Table, kind: str, towers: Sequence[Tower | None]) -> None:
    reads = (shape_text(tower.input_shape) if tower is not None else NOTHING for tower in towers)
    table.add_row(Text(kind, style="bold"), *reads)
    for region in REGIONS:
        columns = [[part for part in tower.parts if part.role == region] if tower else [] for tower in towers]
        for row in range(max(map(len, columns))):
            cells = (
                _part(tower, column[row]) if tower and row < len(column) else ""
                for tower, column in zip(towers, columns, strict=True)
            )
            table.add_row(Text(region if row == 0 else "", style="dim"), *cells)


def _part(tower: Tower, part: Part) -> Text:
    """Title and repeated block, shape, and shares of the tower's parameters and MACs."""
    text = Text(visible(part.title))
    if part.block is not None:
        text.append(f": {part.blocks} × {visible(tower.root.find(part.block).kind)}")
    shares = [f"{_quantity(part.params)} params{_share(part.params, tower.root.params)}"]
    if part.macs != 0:
        shares.append(f"{_quantity(part.macs)} MACs{_share(part.macs, tower.root.macs)}")
    text.append(f"\n{shape_text(part.output_shape)}, {', '.join(shares)}", style="dim")
    return text


def _share(part: int | None, whole: int | None) -> str:
    return f" ({100 * part / whole:.0f}%)" if part is not None and whole else ""


def _count(number: int | None) -> str:
    return "unknown" if number is None else count(number)


def _quantity(number: int | None) -> str:
    if number is None:
        return "unknown"
    return str(number) if number < 1000 else quantity(number)
