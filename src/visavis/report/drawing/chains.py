"""Which nodes of a graph stand in which row and column.

The one idea, after layered graph drawing (Sugiyama et al. 1981): a node's row is the longest way to it; the longest way
of all is the main column; what is left falls into chains, each in a column that it has to itself as long as it runs,
the edges that lead to it and away from it included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from visavis.report.drawing.graph import Edge, Graph

Span = tuple[float, float]  # of rows; halves are the gaps below them


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Nodes one above the other; `entry` leads to the first and `exit` away from the last, where they exist."""

    nodes: tuple[int, ...]
    column: int
    entry: Edge | None = None
    exit: Edge | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A row and a column for each node; the first chain is the main column."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    chains: tuple[Chain, ...]


def arrange(graph: Graph) -> Grid:
    """Rows and columns of all nodes; no two have the same."""
    rows = _rows(graph)
    main = _longest_way(graph, rows)
    columns = dict.fromkeys(main, 0)
    chains = [Chain(nodes=main, column=0)]
    held: list[list[Span]] = []
    for nodes in _other_chains(graph, rows, set(main)):
        entry = _nearest(edge for edge in graph.edges if edge.target == nodes[0])
        leave = _nearest(edge for edge in graph.edges if edge.source == nodes[-1])
        start = rows[entry.source] + 0.5 if entry else rows[nodes[0]]
        stop = rows[leave.target] if leave else rows[nodes[-1]]
        column = 1 + first_free(held, (start, stop))
        columns.update(dict.fromkeys(nodes, column))
        chains.append(Chain(nodes=nodes, column=column, entry=entry, exit=leave))
    return Grid(rows=tuple(rows), columns=tuple(columns[number] for number in range(len(rows))), chains=tuple(chains))


def first_free(held: list[list[Span]], span: Span) -> int:
    """The first of some tracks that nothing holds anywhere within `span`; it is held from now on."""
    for number, spans in enumerate(held):
        if all(stop < span[0] or span[1] < start for start, stop in spans):
            spans.append(span)
            return number
    held.append([span])
    return len(held) - 1


def _rows(graph: Graph) -> list[int]:
    """The longest way to each node, at least 1 behind the input; the output stands below all."""
    rows = [0] + [1] * (len(graph.nodes) - 1)
    for edge in sorted(graph.edges, key=lambda edge: edge.target):
        rows[edge.target] = max(rows[edge.target], rows[edge.source] + 1)
    rows[-1] = max(rows[:-1]) + 1
    return rows


def _longest_way(graph: Graph, rows: Sequence[int]) -> tuple[int, ...]:
    """From the output back, each time to the lowest of the nodes that are read, the earliest where two are level."""
    way = [len(rows) - 1]
    while read := [edge.source for edge in graph.edges if edge.target == way[-1]]:
        way.append(max(read, key=lambda number: (rows[number], -number)))
    return tuple(reversed(way))


def _other_chains(graph: Graph, rows: Sequence[int], placed: set[int]) -> list[tuple[int, ...]]:
    """The nodes off the main column, each in one chain that goes on for as long as rows follow one another."""
    chains = []
    for first in range(len(rows)):
        if first in placed:
            continue
        chain = [first]
        while following := [
            edge.target
            for edge in graph.edges
            if edge.source == chain[-1] and edge.target not in placed and rows[edge.target] == rows[chain[-1]] + 1
        ]:
            chain.append(min(following))
        placed.update(chain)
        chains.append(tuple(chain))
    return chains


def _nearest(edges: Iterable[Edge]) -> Edge | None:
    return min(edges, key=lambda edge: edge.target - edge.source, default=None)
