"""What ran, while it is being watched: modules' runs and operations with the ways between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from visavis.inspection.anatomy.receptive_field import Field
from visavis.inspection.anatomy.tree import INPUT


@dataclass(eq=False, kw_only=True)
class Node:
    """A module's run, or an operation.

    Attributes:
        name: As in `Layer`.
        kind: As in `Layer`.
        module: What ran, or None for an operation.
        path: The module's path in the network; for an operation, that of the module which it belongs to.
        parent: The module's run within which this ran; None for the root.
        given: Tensors that it reads and that depend on the input; all that a module was handed.
        made: Tensors that it gives.
        macs: Of what ran here directly, beneath no child.
        unknown: Operations of it without a counting rule.
        weights: Names of the parameters that it reads and that nothing read before.
        reads: Names of all parameters that it reads.
        picks: Of `x[:, 0]`, the number of the token that it reads; None otherwise.
        elementwise: Whether it is one element-wise operation.
        sees: What its first output sees of the image.
        children: In order.
        sources: As in `Layer`, an ordered set.
    """

    name: str
    kind: str
    module: nn.Module | None
    path: str
    parent: Node | None
    given: tuple[Tensor, ...] = ()
    made: tuple[Tensor, ...] = ()
    macs: int = 0
    unknown: set[str] = field(default_factory=set)
    weights: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    picks: int | None = None
    elementwise: bool = False
    sees: Field | None = None
    children: list[Node] = field(default_factory=list)
    sources: dict[str, None] = field(default_factory=dict)

    def line(self) -> list[Node]:
        """All that it is part of, the root first, itself last."""
        above = [] if self.parent is None else self.parent.line()
        return [*above, self]

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in order of execution."""
        yield self
        for child in self.children:
            yield from child.walk()


OUTSIDE = Node(name=INPUT, kind=INPUT, module=None, path="", parent=None)  # gives the network's input


def link(source: Node, target: Node) -> None:
    """An edge on the level where both part; what stands above the target below that level reads its parent's input."""
    to = target.line()
    at = 0
    if source is not OUTSIDE:
        before = source.line()
        at = next(at for at, (one, other) in enumerate(zip(before, to, strict=False)) if one is not other)
        to[at].sources[before[at].name] = None
        at += 1
    for node in to[at:]:
        node.sources[INPUT] = None


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors within arguments or outputs, however they are nested; dataclasses, too."""
    if isinstance(value, Tensor):
        return [value]
    found: list[Tensor] = []
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            found += tensors_in([getattr(leaf, one.name) for one in fields(leaf)])
    return found
