"""A layer's children as the nodes and edges of a drawing.

The one idea: draw what a reader thinks in. Identities and dropout are the edge itself, short chains such as a
feed-forward network or a projection shortcut are shown unfolded within a frame, and everything else is a box of its
own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from visavis.report import words
from visavis.report.drawing.text import count_text, settings_text, shape_text

if TYPE_CHECKING:
    from visavis.inspection.anatomy.tree import Layer

Form = Literal["end", "box", "join"]
Look = Literal["weights", "norm", "activation", "attention", "pooling", "plain"]

INPUT = "input"  # in `Layer.sources`
LONGEST_CHAIN = 6  # steps of a chain that is shown unfolded
_JOINS = {"add": "+", "mul": "×", "sub": "\N{MINUS SIGN}", "cat": "∥", "concat": "∥"}
IDLE = frozenset(
    ("Identity", "Dropout", "Dropout2d", "DropPath", "StochasticDepth")
)  # without training, no more than an edge
_WIDTHS = re.compile(r"^(\d+ to \d+), .*")  # of an operation, before the names of its weights
TITLES = {"scaled_dot_product_attention": "softmax(QKᵀ/√d) V"}
_LOOKS: tuple[tuple[str, Look], ...] = (  # the first that is found in a kind
    (r"attention|attn|multihead", "attention"),
    (r"norm", "norm"),
    (r"pool", "pooling"),
    (r"conv|linear|embedding|matmul|addmm|^mm$|einsum|lora", "weights"),
    (r"relu|gelu|silu|swish|mish|tanh|sigmoid|softmax|elu\b|softplus|activation", "activation"),
)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One thing that is drawn.

    Attributes:
        name: Of its layer; INPUT for what comes in, "output" for what goes out.
        form: A rounded box, the small circle of a sum, or an end of the drawing.
        look: Which tint it has.
        of: The kind of its layer; empty for an end.
        kind: Its heading; the sign of a join.
        label: Its name within its parent, which stands beside the heading where there is room; not a mere number.
        settings: What it was made with.
        shape: Of its output.
        params: How many numbers it learns, or empty where none.
        frame: The unfolded chain that it belongs to, or None.
    """

    name: str
    form: Form
    look: Look = "plain"
    of: str = ""
    kind: str
    label: str = ""
    settings: str = ""
    shape: str = ""
    params: str = ""
    frame: str | None = None


@dataclass(frozen=True, kw_only=True)
class Edge:
    """From one node to a later one, by their numbers; `label` says what the edge stands for, if not a plain tensor."""

    source: int
    target: int
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Nodes in order of execution, the input first and the output last; every edge goes forwards.

    Attributes:
        nodes: What is drawn.
        edges: Between them, each pair once.
        frames: Heading of each unfolded chain by its name.
        idle: Names of the children that never ran.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    frames: dict[str, str]
    idle: tuple[str, ...]


def graph_of(layer: Layer) -> Graph:
    """What happens inside a layer. A source that is no earlier sibling is left out, since nothing could be drawn."""
    drawing = _Drawing(layer)
    for child in layer.children:
        if child.output_shape is not None:
            drawing.put(child)
    return drawing.finish()


def look_of(kind: str) -> Look:
    """The tint of a kind."""
    return next((look for pattern, look in _LOOKS if re.search(pattern, kind.lower())), "plain")


def chain_of(layer: Layer) -> list[Layer]:
    """The steps to show in place of a layer whose children run one after the other, where they are few."""
    ran = [child for child in layer.children if child.output_shape is not None]
    steps = [child for child in ran if child.kind not in IDLE]
    if look_of(layer.kind) == "attention" or not 2 <= len(steps) <= LONGEST_CHAIN:
        return []
    before = [INPUT, *(child.name for child in ran)]
    return steps if all(set(child.sources) == {source} for child, source in zip(ran, before, strict=False)) else []


def short_name(name: str, parent: str) -> str:
    """A layer's name within its parent."""
    return name.removeprefix(f"{parent}.") if parent else name


class _Drawing:
    """Collects the nodes and edges of one layer's children."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        first = shape_text(layer.input_shapes[0]) if layer.input_shapes else ""
        self.nodes = [Node(name=INPUT, form="end", kind="input", shape=first)]
        self.edges: dict[tuple[int, int], str] = {}
        self.ends: dict[str, tuple[int, str]] = {INPUT: (0, "")}  # by name: the node that gives it, its edge's label
        self.frames: dict[str, str] = {}

    def put(self, child: Layer) -> None:
        """Adds a child: nothing for an identity, all steps of a short chain, else one node."""
        sources = [source for source in dict.fromkeys(child.sources) if source in self.ends]
        if child.kind in IDLE and len(sources) == 1:
            node, label = self.ends[sources[0]]
            self.ends[child.name] = (node, "identity" if child.kind == "Identity" else label)
        elif steps := chain_of(child):
            self.frames[child.name] = f"{short_name(child.name, self.layer.name)} · {child.kind}"
            for step, before in zip(steps, [sources, *([step.name] for step in steps)], strict=False):
                self._node(step, before, frame=child.name)
            self.ends[child.name] = (len(self.nodes) - 1, "")
        else:
            self._node(child, sources)

    def finish(self) -> Graph:
        """The whole, with its output: what the last child gives."""
        ran = [child for child in self.layer.children if child.output_shape is not None]
        shape = shape_text(self.layer.output_shape)
        self.nodes.append(Node(name="output", form="end", kind="output", shape=shape))
        source, label = self.ends[ran[-1].name] if ran else (0, "")
        self.edges[source, len(self.nodes) - 1] = label
        edges = (Edge(source=a, target=b, label=label) for (a, b), label in self.edges.items())
        idle = tuple(child.name for child in self.layer.children if child.output_shape is None)
        return Graph(nodes=tuple(self.nodes), edges=tuple(edges), frames=self.frames, idle=idle)

    def _node(self, layer: Layer, sources: list[str], frame: str | None = None) -> None:
        number = len(self.nodes)
        for source in sources:
            node, label = self.ends[source]
            self.edges.setdefault((node, number), label)
        self.ends[layer.name] = (number, "")
        sign = None if layer.is_module else _JOINS.get(layer.kind)
        short = short_name(layer.name, frame or self.layer.name)
        joins = sign is not None and len(layer.sources) > 1
        self.nodes.append(
            Node(
                name=layer.name,
                form="join" if joins else "box",
                look=look_of(layer.kind),
                of=words.visible(layer.kind),
                kind=sign if sign and joins else TITLES.get(layer.kind, words.visible(layer.kind)),
                label="" if short.lstrip("-").isdigit() else words.visible(short),
                settings=settings_text(_WIDTHS.sub(r"\1", layer.settings)),
                shape=shape_text(layer.output_shape),
                params=count_text(layer.params) if layer.params else "",
                frame=frame,
            )
        )
