"""A network as plain data: what runs, in which order, on which shapes, at what price.

The one idea: one record for modules and for the operations between them. A layer's `children` with their `sources` are
the graph of what it computes, so a skip connection is an "add" that reads two siblings; nothing is drawn from memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
INPUT = "input"  # in `sources`: what the parent itself was given
Role = Literal["stem", "stage", "pooling", "head"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A module, or an operation that is none, such as attention's products or the sum of a skip connection.

    Attributes:
        name: Dotted path in the tower, "" for the tower itself; an operation's is its module's path, a dot, and the
            operation with a number where it repeats: "layer1.0.add", "transformer.resblocks.0.add2".
        kind: The class of a module, such as "Conv2d"; the function of an operation, such as "add".
        is_module: False for an operation.
        settings: What the module was made with, in words: "3x3, 64 to 64, stride 2"; empty where nothing needs saying.
        input_shapes: Of the tensors that it reads, each without the batch.
        output_shape: Of what it gives, without the batch; None for a module that never ran.
        params: Numbers that are learned, its children's included; a weight that two layers share counts once, where it
            runs first.
        macs: Multiply-accumulates for one image or text, its children's included; None where any is unknown.
        activation_bytes: Of the outputs of all layers in it for one image or text, in float32; what only changes or
            looks at another's output takes none. None where it never ran.
        unknown: Operations within that compute something for which there is no counting rule.
        runs: How often it runs for one input.
        receptive_field: Side in pixels of what a place of its output can see, None where that has no meaning; of a
            window that is no square the longer side.
        stride: Pixels between neighbouring places of its output along that side, likewise.
        centre: Where, in pixels from the image's first, the centre of its first place lies along that side, likewise.
        children: What runs inside, in order; modules that never ran come last.
        sources: Names of the siblings whose outputs it reads, and INPUT for its parent's own input.
    """

    name: str
    kind: str
    is_module: bool
    settings: str = ""
    input_shapes: tuple[Shape, ...] = ()
    output_shape: Shape | None
    params: int = 0
    macs: int | None
    activation_bytes: int | None = None
    unknown: tuple[str, ...] = ()
    runs: int = 1
    receptive_field: int | None = None
    stride: int | None = None
    centre: float | None = None
    children: tuple[Layer, ...] = ()
    sources: tuple[str, ...] = ()

    def walk(self) -> Iterator[Layer]:
        """This layer and all below it, parents before children, in order of execution."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, name: str) -> Layer:
        """The layer of that name. Raises KeyError where there is none."""
        for layer in self.walk():
            if layer.name == name:
                return layer
        raise KeyError(name)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the few large steps of a tower, for columns that stand beside another network's.

    Attributes:
        role: What it is for: "stem" (patch embedding too), "stage" (a Transformer's blocks are one), "pooling", "head".
        title: As a reader calls it: "Stage 2", "Patch embedding", "12 blocks", "Attention pooling".
        layers: Names of the layers of the tower that make it up, in order.
        block: Name of the first repeated block in it, for drawing; None where nothing repeats.
        blocks: How often that block repeats.
        output_shape: [channels, height, width] of a map, [tokens, width] of a sequence, [width] of a vector.
        params: Of these layers and of what the tower holds itself at this step, such as position embeddings.
        macs: For one image or text; None where something in it is unknown.
        depth: Share of the tower's weighted layers that have run when it ends, 0 to 1.
    """

    role: Role
    title: str
    layers: tuple[str, ...]
    block: str | None = None
    blocks: int = 0
    output_shape: Shape
    params: int
    macs: int | None
    depth: float


@dataclass(frozen=True, kw_only=True)
class Tower:
    """One input's way through a network.

    Attributes:
        kind: What it reads.
        input_shape: Of one input, without the batch: [3, side, side], or [context_length].
        root: All of it.
        parts: Its large steps in order; empty where a foreign network shows none.
    """

    kind: Literal["image", "text"]
    input_shape: Shape
    root: Layer
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a famous number is counted.

    Attributes:
        number: The number.
        says: What it counts, in a sentence: "weighted layers without the shortcuts' projections".
        sum: The same as arithmetic on this very network: "1 + 3 x 16 + 1".
        layers: Names of the layers that are counted.
        source: Where the rule stands.
    """

    number: int
    says: str
    sum: str
    layers: tuple[str, ...]
    source: str
