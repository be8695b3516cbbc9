"""Places in pixels for a graph's nodes, and ways for its edges.

The one idea: an edge that does not lead straight down turns in the gap below its source and follows a lane, a column
without boxes that one edge holds at a time. So nothing can lie on anything else, whatever the graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from visavis.report.drawing.chains import Grid, Span, arrange, first_free
from visavis.report.drawing.graph import Edge, Graph, Node
from visavis.report.drawing.text import fit, text_width

MAIN, SIDE = 212, 188  # widths of boxes in pixels, in the main column and beside it
PAD, LINE, SIZE, SMALL = 9, 16, 12, 11  # within a box, from line to line, sizes of its text
MARGIN, SPACE, LANE = 9, 21, 20  # around all, between columns, between lanes
GAP, SLOT = 18, 7  # between rows, and more for each edge that turns there
JOIN, END = 11, 24  # radius of a sum, height of the input and the output
HEADING, BELOW = 16, 7  # above and below an unfolded chain, within its frame
PORT = 16  # between edges that arrive at one box

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where a node lies; `lines` are the texts on the left and on the right of each of its lines.

    `label` is the node's, or empty where its first line has no room for it.
    """

    node: Node
    x: float
    y: float
    width: float
    height: float
    lines: tuple[tuple[str, str], ...] = ()
    label: str = ""

    @property
    def middle(self) -> Point:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The outline of an unfolded chain."""

    heading: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Way:
    """How an edge runs: the corners of its line, from its source to its target."""

    edge: Edge
    corners: tuple[Point, ...]
    label_at: Point | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A whole drawing, in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    frames: tuple[Frame, ...]
    ways: tuple[Way, ...]


def place(graph: Graph) -> Layout:
    """Places for all nodes, frames and edges."""
    return _Placing(graph, arrange(graph)).layout()


class _Placing:
    """The steps of `place`, which share the grid, the lanes and the gaps."""

    def __init__(self, graph: Graph, grid: Grid) -> None:
        self.graph, self.grid = graph, grid
        self.straight = {pair for chain in grid.chains for pair in zip(chain.nodes, chain.nodes[1:], strict=False)}
        self.entries = {_pair(chain.entry) for chain in grid.chains if chain.entry}
        self.exits = {_pair(chain.exit) for chain in grid.chains if chain.exit} - self.entries
        self.lanes = self._lanes()
        self.slots: dict[int, list[object]] = {}  # gap: what turns there, from above
        for edge in graph.edges:
            self._take_slots(edge)
        self.ports: dict[int, int] = {}
        self.n_lanes = max(self.lanes.values(), default=-1) + 1
        self.lines = [self._lines(number) for number in range(len(graph.nodes))]
        self.heights = [self._height(number) for number in range(len(graph.nodes))]
        self.tops, self.bottoms = self._rows()
        self.boxes = [self._box(number) for number in range(len(graph.nodes))]

    def layout(self) -> Layout:
        """Everything, and the room that it takes."""
        ways = tuple(self._way(edge) for edge in self.graph.edges)
        labels = [way.label_at[0] + text_width(way.edge.label, SMALL) for way in ways if way.label_at]
        lanes = self._lane_x(self.n_lanes - 1) if self.n_lanes else 0.0
        right = max(*labels, lanes, *(box.x + box.width for box in self.boxes), 0.0)
        return Layout(
            width=round(right + MARGIN, 1),
            height=round(self.bottoms[-1] + 2, 1),
            boxes=tuple(self.boxes),
            frames=tuple(self._frames()),
            ways=ways,
        )

    # Ways

    def _lanes(self) -> dict[tuple[int, int], int]:
        """A lane for each edge that needs one, the shortest next to the main column."""
        rows, held = self.grid.rows, list[list[Span]]()
        waiting = [edge for edge in self.graph.edges if self._needs_lane(edge)]
        waiting.sort(key=lambda edge: rows[edge.target] - rows[edge.source])
        return {
            _pair(edge): first_free(held, (rows[edge.source] + 0.5, rows[edge.target] - 0.5 * self._from_above(edge)))
            for edge in waiting
        }

    def _needs_lane(self, edge: Edge) -> bool:
        near = self.grid.rows[edge.target] == self.grid.rows[edge.source] + 1 and self._from_above(edge)
        return _pair(edge) not in self.straight | self.entries | self.exits and not near

    def _from_above(self, edge: Edge) -> bool:
        """Whether an edge arrives at the top of its target: at boxes always, at a sum where its sides are not free.

        A box may bar the way to a side, or another sum of the same row may need it.
        """
        if self.graph.nodes[edge.target].form != "join":
            return True
        column, row = self.grid.columns[edge.target], self.grid.rows[edge.target]
        start = self.grid.columns[edge.source] if _pair(edge) in self.exits else 0.5
        return any(
            own == row
            and number != edge.target
            and (self.graph.nodes[number].form == "join" or min(start, column) < other < max(start, column))
            for number, (own, other) in enumerate(zip(self.grid.rows, self.grid.columns, strict=True))
        )

    def _take_slots(self, edge: Edge) -> None:
        pair, row = _pair(edge), self.grid.rows[edge.source]
        if pair in self.straight:
            return
        leaves_above = pair in self.entries or pair in self.lanes
        if leaves_above and edge.source not in self.slots.setdefault(row, []):
            self.slots[row].append(edge.source)  # edges of one source turn together: they carry the same
        if pair not in self.entries and self._from_above(edge):
            self.slots.setdefault(self.grid.rows[edge.target] - 1, []).append(pair)

    def _way(self, edge: Edge) -> Way:
        pair, source, target = _pair(edge), self.boxes[edge.source], self.boxes[edge.target]
        start = (source.middle[0], source.y + source.height)
        if pair in self.straight:
            return Way(edge=edge, corners=(start, (target.middle[0], target.y)))
        if pair in self.entries:
            y = self._slot_y(self.grid.rows[edge.source], edge.source)
            x = target.middle[0]
            return Way(edge=edge, corners=(start, (start[0], y), (x, y), (x, target.y)))
        corners = [start]
        if pair in self.lanes:
            y, x = self._slot_y(self.grid.rows[edge.source], edge.source), self._lane_x(self.lanes[pair])
            corners += [(start[0], y), (x, y)]
        return Way(edge=edge, corners=(*corners, *self._arrival(edge, corners[-1][0])), label_at=self._label_at(edge))

    def _arrival(self, edge: Edge, x: float) -> list[Point]:
        """The last corners of a way that comes down at `x`."""
        target = self.boxes[edge.target]
        if not self._from_above(edge):
            side = target.x + target.width if x > target.x else target.x
            return [(x, target.middle[1]), (side, target.middle[1])]
        number = self.ports[edge.target] = self.ports.get(edge.target, 0) + 1
        room = target.width / 2 - 6
        port = target.middle[0] + min(PORT * number, room)
        y = self._slot_y(self.grid.rows[edge.target] - 1, _pair(edge))
        return [(x, y), (port, y), (port, target.y)]

    def _label_at(self, edge: Edge) -> Point | None:
        """Beside the outermost lane, where nothing else can be."""
        lane = self.lanes.get(_pair(edge))
        if not edge.label or lane is None or lane < self.n_lanes - 1 or max(self.grid.columns):
            return None
        top, bottom = self.bottoms[self.grid.rows[edge.source]], self.tops[self.grid.rows[edge.target]]
        return self._lane_x(lane) + 7, (top + bottom) / 2

    # Places

    def _rows(self) -> tuple[list[float], list[float]]:
        """The top and the bottom of each row."""
        tops, bottoms, y = [], [], 2.0
        nodes = self.graph.nodes
        for row in range(max(self.grid.rows) + 1):
            inside = [number for number, own in enumerate(self.grid.rows) if own == row]
            if any(self._opens_frame(number) for number in inside):
                y += HEADING
            tops.append(y)
            y += max((self.heights[number] for number in inside), default=0.0)
            bottoms.append(y)
            if any(nodes[number].frame and not self._goes_on(number) for number in inside):
                y += BELOW
            y += GAP + SLOT * len(self.slots.get(row, ()))
        return tops, bottoms

    def _slot_y(self, row: int, what: object) -> float:
        """Where in the gap below a row an edge turns."""
        closes = any(
            own == row and self.graph.nodes[number].frame and not self._goes_on(number)
            for number, own in enumerate(self.grid.rows)
        )
        return self.bottoms[row] + BELOW * closes + GAP / 2 - 1 + SLOT * self.slots[row].index(what)

    def _opens_frame(self, number: int) -> bool:
        frame = self.graph.nodes[number].frame
        return frame is not None and self.graph.nodes[number - 1].frame != frame

    def _goes_on(self, number: int) -> bool:
        """Whether the next step of the same chain follows."""
        nodes = self.graph.nodes
        return number + 1 < len(nodes) and nodes[number + 1].frame == nodes[number].frame

    def _lane_x(self, lane: int) -> float:
        return MARGIN + MAIN + SPACE + LANE * lane

    def _column_x(self, column: int) -> float:
        if column == 0:
            return MARGIN
        beside = self._lane_x(self.n_lanes - 1) + SPACE if self.n_lanes else MARGIN + MAIN + SPACE
        return beside + (column - 1) * (SIDE + SPACE)

    def _box(self, number: int) -> Box:
        node, row, column = self.graph.nodes[number], self.grid.rows[number], self.grid.columns[number]
        room, x = (MAIN if column == 0 else SIDE), self._column_x(column)
        width: float = room
        if node.form == "join":
            width = 2 * JOIN
        elif node.form == "end":
            width = min(room, 2 * math.ceil(text_width(f"{node.kind}  {node.shape}", SIZE) / 2 + PAD + 4))
        lowest = self.bottoms[row] - self.tops[row]
        return Box(
            node=node,
            x=round(x + (room - width) / 2, 1),
            y=round(self.tops[row] + (lowest - self.heights[number]) / 2, 1),
            width=round(width, 1),
            height=self.heights[number],
            lines=self.lines[number],
            label=self._label(number),
        )

    def _label(self, number: int) -> str:
        node, lines = self.graph.nodes[number], self.lines[number]
        if not lines or node.label == node.kind:
            return ""
        left, right = lines[0]
        room = (SIDE if self.grid.columns[number] else MAIN) - 2 * PAD - 12
        used = text_width(left, SIZE, bold=True) + text_width(right, SMALL) + text_width(node.label, SMALL)
        return node.label if used <= room else ""

    def _height(self, number: int) -> float:
        form = self.graph.nodes[number].form
        if form != "box":
            return 2 * JOIN if form == "join" else END
        return 10 + LINE * len(self.lines[number])

    def _lines(self, number: int) -> tuple[tuple[str, str], ...]:
        """The texts of a box: kind and shape, settings and parameters, each beside the other where both fit."""
        node = self.graph.nodes[number]
        if node.form != "box":
            return ()
        room = (SIDE if self.grid.columns[number] else MAIN) - 2 * PAD
        lines: list[tuple[str, str]] = []
        for left, right, size in ((node.kind, node.shape, SIZE), (node.settings, node.params, SMALL)):
            used = text_width(left, size, size == SIZE) + text_width(right, SMALL)
            if used + 6 <= room:
                lines += [(left, right)] if left or right else []
            else:
                lines += [(part, "") for part in _wrapped(left, room, size)]
                lines += [("", fit(right, SMALL, room))] if right else []
        return tuple(lines)

    def _frames(self) -> list[Frame]:
        frames = []
        for name, heading in self.graph.frames.items():
            inside = [box for box in self.boxes if box.node.frame == name]
            first, last = inside[0], inside[-1]
            top, bottom = first.y - HEADING, last.y + last.height + BELOW
            room = first.width / 2 - 4  # an edge comes down through the middle
            whole = text_width(heading, SMALL) <= room
            shown = heading if whole else fit(heading.split(" · ")[0], SMALL, room)
            frames.append(
                Frame(heading=shown, x=first.x - 6, y=top, width=first.width + 12, height=round(bottom - top, 1))
            )
        return frames


def _pair(edge: Edge) -> tuple[int, int]:
    return edge.source, edge.target


def _wrapped(text: str, room: float, size: float) -> Sequence[str]:
    """A text on at most three lines that break at spaces, each cut where it is too long; headings are bold."""
    lines, bold = [""], size == SIZE
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or text_width(longer, size, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > 3:
        lines = [*lines[:2], " ".join(lines[2:])]
    return [fit(line, size, room, bold) for line in lines]
