"""What a reader of one format hands on, and how it says that a file cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

# Nested entries by name. A leaf is a function that gives its tensor, or None for what is no tensor; a dictionary has a
# tensor somewhere below.
# (A recursive type would say it better, but costs casts at every leaf.)
Tree = dict[str, Any]
Leaf = Callable[[], Tensor]


class ModuleTree(Tree):
    """The entries of one network: a child that is called "model" is a child, not a wrapper."""


class UnreadableError(Exception):
    """Why a file cannot be used: a clause that goes on after the file's name, and perhaps what to do about it."""

    def __init__(self, reason: str, remedy: str = "Fetch or make it again.") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A file's entries before wrapping is removed.

    Attributes:
        container: "safetensors", "torch", "torch-legacy", "torchscript" or "npz".
        tree: Entries by name, nested as the file nests them.
        metadata: Text that a safetensors file carries.
        hints: What the container itself tells of the network.
    """

    container: str
    tree: Tree
    metadata: dict[str, str] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
