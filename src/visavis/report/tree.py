"""Opened networks in a terminal: their large steps side by side, and a tree of layers with the identical ones folded.

The one idea: siblings that do the same on the same shapes are one line with a factor, so that a network of hundreds of
layers fits on a screen and still shows every kind of block that it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from visavis.report.crossings import crossings
from visavis.report.drawing.text import settings_text, shape_text
from visavis.report.words import NOTHING, count, quantity, visible

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Layer, Part, Tower

# Columns beside a layer and their widths; those of the second line only where a terminal has room for them.
NUMBERS = (("output", 12), ("params", 7), ("MACs", 7), ("sees", 10))
MORE_NUMBERS = (("stride", 7), ("outputs", 9))
ROOMY = 110  # characters of a terminal
GUIDE = 4  # characters of rich's guide at each level
LEAST_NAME = 20
LABELS = 12  # characters of the first column of steps side by side
COLUMN, GAP = 15, 2  # least characters of a network's column, and between two
REGIONS = ("stem", "stage", "pooling", "head")


def parts_table(anatomies: Sequence[Anatomy], width: int) -> Group:
    """A column a network, a row a step; steps of one role stand in one row, texts below images.

    Args:
        anatomies: What to show.
        width: Of the terminal in characters; as many networks as fit stand in one table.
    """
    fitting = max(1, (width - LABELS) // (COLUMN + GAP))
    groups = [anatomies[at : at + fitting] for at in range(0, len(anatomies), fitting)]
    return Group(*(_parts_table(group, (width - LABELS) // len(group) - GAP) for group in groups))


def layer_tree(anatomy: Anatomy, depth: int, width: int) -> Tree:
    """The layers of all towers as a tree.

    Args:
        anatomy: What to show.
        depth: Levels below each tower: 1 for stages, 2 for blocks, 3 for what is in them.
        width: Of the terminal in characters; names and settings are cut, numbers never.
    """
    columns = NUMBERS + MORE_NUMBERS if width >= ROOMY else NUMBERS
    named = max(LEAST_NAME, width - sum(space + 1 for _, space in columns))
    head = Text(f"{visible(anatomy.name):{named}.{named}}", style="bold", no_wrap=True)
    for title, space in columns:
        head.append(f" {title:>{space}}")
    tree = Tree(head)
    for tower in anatomy.towers:
        label = f"{tower.kind} tower, {shape_text(tower.input_shape)}: {tower.root.kind}"
        branch = tree.add(_line(label, (tower.root,), named - GUIDE, columns))
        _grow(branch, tower.root, depth, named - 2 * GUIDE, columns)
    return tree


def counts_table(anatomy: Anatomy) -> Table:
    """How many modules of each kind there are, and how its famous numbers are counted."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", justify="right")
    table.add_column(overflow="fold")
    kinds = [f"{number}\N{NO-BREAK SPACE}{visible(kind)}" for kind, number in anatomy.kinds.most_common()]
    said = Text(f"modules in the image tower: {', '.join(kinds)}.")  # names of classes are no markup
    table.add_row(f"{sum(anatomy.kinds.values()):,}", said)
    for rule in anatomy.rules:
        arithmetic = _times(rule.sum).replace("sqrt", "√")
        said = Text("" if rule.sum == str(rule.number) else f"= {arithmetic}. ", style="bold")
        table.add_row(f"{rule.number:,}", said.append(_times(rule.says), style="not bold"))
    return table


def crossing_lines(anatomies: Sequence[Anatomy]) -> Text:
    """At which image sizes one network's cost overtakes another's; empty where none does."""
    lines = [
        f"{visible(a)} and {visible(b)} cost the same at {size:,.0f} pixels of the image's side: {quantity(macs)}MACs."
        for a, b, size, macs in crossings(anatomies)
    ]
    return Text("\n".join(lines))


def folded(layers: Sequence[Layer]) -> Iterator[tuple[Layer, ...]]:
    """Neighbours of one build together."""
    at = 0
    while at < len(layers):
        end = at + 1
        while end < len(layers) and _build(layers[end]) == _build(layers[at]):
            end += 1
        yield tuple(layers[at:end])
        at = end


def _grow(branch: Tree, layer: Layer, depth: int, room: int, columns: Sequence[tuple[str, int]]) -> None:
    if depth < 1:
        return
    for same in folded(layer.children):
        name = _names([one.name.removeprefix(f"{layer.name}." if layer.name else "") for one in same])
        label = f"{name} {same[0].kind}" if same[0].is_module else name
        inner = branch.add(_line(label, same, room, columns))
        _grow(inner, same[0], depth - 1, room - GUIDE, columns)


def _names(names: Sequence[str]) -> str:
    """Of neighbours: "resblocks.0–11", "k_proj, v_proj"."""
    first, last = names[0], names[-1]
    if len(names) < 3 and not last.rpartition(".")[2].isdigit():
        return ", ".join(names)
    stem, _, number = last.rpartition(".")
    if number.isdigit() and re.fullmatch(rf"{re.escape(stem)}\.?\d+", first):
        return first if first == last else f"{first}–{number}"
    return f"{first} … {last}"


def _line(label: str, same: Sequence[Layer], room: int, columns: Sequence[tuple[str, int]]) -> Text:
    """Layers of one build: what they are, cut to `room` characters, then the numbers of each in columns."""
    layer = same[0]
    line = Text(no_wrap=True, style="" if layer.output_shape is not None else "dim")
    settings = settings_text(layer.settings)
    plain = visible(label) + (f" × {len(same)}" if len(same) > 1 else "")
    said = f"{plain}  {settings}" if settings else plain
    cut = said if len(said) <= room else said[: max(room, 1) - 1] + "…"
    line.append(cut[: len(plain)])
    line.append(cut[len(plain) :].ljust(room - len(cut[: len(plain)])), style="dim")
    numbers = _numbers(same)
    for title, space in columns:
        line.append(f" {numbers[title]:>{space}}")
    return line


def _numbers(same: Sequence[Layer]) -> dict[str, str]:
    """What stands in the columns; fields of view grow from the first to the last of layers that are alike else."""
    layer, last = same[0], same[-1]
    fields = [one.receptive_field for one in (layer, last) if one.receptive_field is not None]
    return {
        "output": "never runs" if layer.output_shape is None else shape_text(layer.output_shape),
        "params": _quantity(layer.params) if layer.params else "",
        "MACs": _quantity(layer.macs) if layer.macs != 0 and layer.output_shape is not None else "",
        "sees": f"{'–'.join(map(str, dict.fromkeys(fields)))} px" if fields else "",
        "stride": "" if layer.stride is None else f"{layer.stride} px",
        "outputs": _mebibytes(layer.activation_bytes) if layer.activation_bytes else "",
    }


def _build(layer: Layer) -> tuple[object, ...]:
    """What a layer is and does, without its name and place; fields of view differ between equal blocks."""
    inside = tuple(_build(child) for child in layer.children)
    return layer.kind, layer.settings, layer.input_shapes, layer.output_shape, layer.params, layer.macs, inside


def _parts_table(anatomies: Sequence[Anatomy], room: int) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for anatomy in anatomies:
        name = visible(anatomy.name)
        lines = [name[at : at + room] for at in range(0, len(name), room)]
        heading = Text("\n".join(lines), style="bold")
        table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=room)
    table.add_row("family", *(anatomy.family.replace("-", "\n") for anatomy in anatomies))
    table.add_row("parameters", *(_fitting(anatomy.params, room) for anatomy in anatomies))
    for kind in ("image", "text"):
        towers = [next((t for t in anatomy.towers if t.kind == kind), None) for anatomy in anatomies]
        if any(towers):
            table.add_section()
            _add_tower_rows(table, kind, towers, room)
    return table


def _add_tower_rows(table: Table, kind: str, towers: Sequence[Tower | None], room: int) -> None:
    reads = (shape_text(tower.input_shape) if tower else NOTHING for tower in towers)
    table.add_row(Text(f"one {kind}", style="bold"), *reads)
    roots = [tower.root if tower else None for tower in towers]
    for label, times in (("MACs", 1), ("FLOPs", 2)):
        counts = (None if root is None or root.macs is None else times * root.macs for root in roots)
        table.add_row(
            label, *(_fitting(number, room) if root else "" for number, root in zip(counts, roots, strict=True))
        )
    table.add_row("outputs", *(_mebibytes(root.activation_bytes) if root else "" for root in roots))
    for region in REGIONS:
        columns = [[part for part in tower.parts if part.role == region] if tower else [] for tower in towers]
        for row, parts in enumerate(zip_longest(*columns)):
            label = f"stage {row + 1}" if region == "stage" and max(map(len, columns)) > 1 else region
            table.add_section()
            cells = (_part(tower, part) if tower and part else "" for tower, part in zip(towers, parts, strict=True))
            table.add_row(Text(f"{label}\n  output\n  params\n  MACs", style="dim"), *cells)


def _part(tower: Tower, part: Part) -> Text:
    """Title or repeated block, shape, and shares of the tower's parameters and MACs, a line each."""
    title = part.title if part.block is None else f"{part.blocks} × {tower.root.find(part.block).kind}"
    params = f"{_quantity(part.params)}{_share(part.params, tower.root.params)}" if part.params else ""
    macs = f"{_quantity(part.macs)}{_share(part.macs, tower.root.macs)}" if part.macs != 0 else ""
    return Text("\n".join((visible(title), shape_text(part.output_shape), params, macs)))


def _share(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return ""
    return f" ({100 * part / whole:.0f}%)" if 200 * part >= whole else " (<1%)"


def _fitting(number: int | None, room: int) -> str:
    """A count to the unit where there is room for it."""
    exact = "unknown" if number is None else count(number)
    return exact if number is None or len(exact) <= room else quantity(number)


def _times(text: str) -> str:
    """With signs of multiplication where a letter stands for them."""
    return re.sub(r"(?<=\d)x(?=\d)|(?<= )x(?= )", "×", text)


def _quantity(number: int | None) -> str:
    if number is None:
        return "unknown"
    return str(number) if number < 1000 else quantity(number)


def _mebibytes(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 / 10 else f"{size / 2**10:.1f} KiB"
