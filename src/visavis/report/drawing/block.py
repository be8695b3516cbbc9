"""One layer, opened: an SVG of what runs inside it, for light and dark grounds and for paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from visavis.report import words
from visavis.report.drawing.graph import graph_of
from visavis.report.drawing.layout import Layout, Point, place
from visavis.report.drawing.svg import drawing_style, templates
from visavis.report.drawing.text import text_width

if TYPE_CHECKING:
    from visavis.inspection.anatomy.tree import Layer

ROUND = 9.0  # radius of a turning line, in pixels
TIMES = 20  # size of the number beside a panel


def block_svg(layer: Layer, times: int = 1, identity: str | None = None) -> str:
    """What a layer does, as an SVG: a main column downwards, other ways beside it, sums where they meet.

    Args:
        layer: Any layer; its `children` and their `sources` are what is drawn.
        times: How often it repeats; what does stands on a panel that says so.
        identity: On a page, which brings `drawing_style` itself, sets the identifiers of this drawing apart from those
            of others; None for a drawing that stands alone in a file.
    """
    graph = graph_of(layer)
    layout = place(graph)
    return (
        templates()
        .get_template("anatomy_block.html")
        .render(
            layer=layer,
            layout=layout,
            title=f"{layer.kind} {layer.name}".strip(),
            told=_told(layer, layout),
            idle=graph.idle,
            times=times,
            margin=math.ceil(text_width(f"{times} ×", TIMES)) + 16 if times > 1 else 0,
            identity=identity or "block",
            style="" if identity else drawing_style(),
            path=path,
        )
    )


def path(corners: tuple[Point, ...], radius: float = ROUND) -> str:
    """A line through corners, each rounded as far as the shorter of its two sides allows."""
    pieces = [f"M{_xy(corners[0])}"]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        room = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        if room < 0.5:
            pieces.append(f"L{_xy(corner)}")
        else:
            pieces.append(f"L{_xy(_towards(corner, before, room))}Q{_xy(corner)} {_xy(_towards(corner, after, room))}")
    return "".join([*pieces, f"L{_xy(corners[-1])}"])


def _told(layer: Layer, layout: Layout) -> str:
    """The drawing in words, for those who cannot see it."""
    boxes = [box.node for box in layout.boxes if box.node.form != "end"]
    names = {"+": "sum"}
    steps = [f"{names.get(node.kind, node.kind)} {node.settings}".strip() for node in boxes]
    beside = [
        f"{layout.boxes[way.edge.source].node.kind} to {names.get(target.kind, target.kind)}"
        for way in layout.ways
        if (target := layout.boxes[way.edge.target].node).form == "join" and len(way.corners) > 2
    ]
    said = f"In order: {', '.join(steps)}." if steps else "Nothing runs inside."
    return words.visible_lines(said + (f" Beside the main path: {'; '.join(beside)}." if beside else ""))


def _towards(start: Point, end: Point, length: float) -> Point:
    share = length / math.dist(start, end)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _xy(point: Point) -> str:
    return f"{round(point[0], 1):g} {round(point[1], 1):g}"
