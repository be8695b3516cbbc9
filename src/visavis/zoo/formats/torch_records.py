"""What torch's pickles mean: which notes of a symbolic pickle are tensors, state dicts and modules.

Only the names below are known. All else that a checkpoint holds, be it a harmless `argparse.Namespace` or a call of
`os.system`, is a leaf without a tensor. Source of the names: torch 2.13, torch/_utils.py, torch/nn/modules/module.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from visavis.zoo.formats.contents import ModuleTree, Tree, UnreadableError
from visavis.zoo.formats.pickles import Global, Persistent, Record

STORAGE_DTYPES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
MAX_DEPTH = 40  # of modules in modules
MAX_DIMENSIONS = 64  # torch's own

_PARAMETERS = {"_rebuild_parameter", "_rebuild_parameter_with_state"}
_TENSORS = {"_rebuild_tensor", "_rebuild_tensor_v2"}


@dataclass(frozen=True, kw_only=True)
class StorageRef:
    """Numbers that lie elsewhere in the file.

    Attributes:
        key: Under which they lie there.
        dtype: Of each number.
        numel: How many they are.
        view: First number and count of the part that is meant; None for all. Only legacy files have parts.
    """

    key: str
    dtype: torch.dtype
    numel: int
    view: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """A tensor: how it lies in its storage, in numbers, not bytes."""

    storage: StorageRef
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def outline(node: object, build: Callable[[TensorRecord], Tensor]) -> Tree:
    """The tensors below a node of a symbolic pickle, nested and named as there.

    Args:
        node: The root of the pickle.
        build: Gives a tensor for its record; called when a leaf is.

    Raises:
        UnreadableError: A tensor's record is damaged, or there is no tensor with a name.
    """
    outlined = _Outliner(build).outline(node, 0)
    if not isinstance(outlined, dict):
        raise UnreadableError("holds no named tensors", "Give a file that holds a network's state_dict.")
    return outlined


class _Outliner:
    """Looks at each node once: parts that are shared can be nested to more paths than any memory holds."""

    def __init__(self, build: Callable[[TensorRecord], Tensor]) -> None:
        self.build = build
        self.done: dict[int, Any] = {}

    def outline(self, node: object, depth: int) -> Any:
        """A leaf, a dictionary of what is below by name, or None where no tensor is below."""
        if not isinstance(node, Record | dict | list | tuple) or depth > MAX_DEPTH:
            return None
        if id(node) not in self.done:
            self.done[id(node)] = None  # what holds itself holds nothing there
            self.done[id(node)] = self._outline_new(node, depth)
        return self.done[id(node)]

    def _outline_new(self, node: Record | dict[Any, object] | list[object] | tuple[object, ...], depth: int) -> Any:
        if isinstance(node, Record):
            return self._outline_record(node, depth)
        return self._outline_items(node if isinstance(node, dict) else dict(enumerate(node)), depth)

    def _outline_items(self, items: dict[Any, object], depth: int) -> Tree | None:
        below = {_text(key): self.outline(value, depth + 1) for key, value in items.items()}
        return None if all(part is None for part in below.values()) else below

    def _outline_record(self, record: Record, depth: int) -> Any:
        tensor = find_tensor(record)
        if tensor is not None:
            return partial(self.build, tensor)
        state = record.state
        if isinstance(state, dict):
            if "_parameters" in state and "_modules" in state:
                return self._outline_module(state, depth)
            if isinstance(record.function, Global) and record.function.module.split(".")[0] == "__torch__":
                return self._outline_script(state, depth)
        return self._outline_items(_mapping(record), depth)

    def _outline_module(self, state: dict[Any, object], depth: int) -> Tree | None:
        """A pickled `torch.nn.Module`: its own tensors, then its children's."""
        skipped = {name for name in _members(state.get("_non_persistent_buffers_set")) if isinstance(name, str)}
        parts: Tree = {}
        for kind in ("_parameters", "_buffers", "_modules"):
            items = {key: value for key, value in _mapping(state.get(kind)).items() if key not in skipped}
            parts |= self._outline_items(items, depth) or {}
        # children without tensors, such as activations, say nothing
        return ModuleTree({name: part for name, part in parts.items() if part is not None}) or None

    def _outline_script(self, state: dict[Any, object], depth: int) -> Tree | None:
        """A module of TorchScript: tensors, children and settings are its attributes, side by side."""
        below = self._outline_items(state, depth) or {}
        silent = {_text(key) for key, value in state.items() if value is None or isinstance(value, bool | Record)}
        return (
            ModuleTree({name: part for name, part in below.items() if part is not None or name not in silent}) or None
        )


def _mapping(node: object) -> dict[Any, object]:
    """The items of a dictionary, an `OrderedDict`, or another class of dictionaries."""
    if isinstance(node, dict):
        return node
    if not isinstance(node, Record):
        return {}
    if node.items or not _is_ordered_dict(node.function):
        return node.items
    arguments = node.arguments
    pairs = arguments[0] if isinstance(arguments, tuple) and arguments else []  # so Python 2 wrote it
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        return {}
    return {key: value for key, value in pairs if isinstance(key, str)}


def _members(node: object) -> list[object]:
    """What a set holds; before protocol 4 it is written as a call on a list."""
    if isinstance(node, Record) and isinstance(node.arguments, tuple) and len(node.arguments) == 1:
        node = node.arguments[0]
    return node if isinstance(node, list) else []


def _is_ordered_dict(function: object) -> bool:
    return function == Global("collections", "OrderedDict")


def _text(key: object) -> str:
    """A key as a name that can be printed."""
    text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
    return text.encode("utf-8", "replace").decode()


def find_tensor(record: Record) -> TensorRecord | None:
    """The tensor that a record would rebuild, through parameters and subclasses; None where it is no tensor.

    Raises:
        UnreadableError: It is a tensor, but not one that torch would write.
    """
    for _ in range(4):  # parameter, subclass, tensor
        function, arguments = record.function, record.arguments
        if not isinstance(function, Global) or function.module not in ("torch._utils", "torch._tensor"):
            return None
        if not isinstance(arguments, tuple):
            return None
        if function.name in _TENSORS:
            return _tensor(arguments)
        if function.name in _PARAMETERS and arguments and isinstance(arguments[0], Record):
            record = arguments[0]
        elif function.name == "_rebuild_from_type_v2" and len(arguments) == 4:
            record = Record(arguments[0], arguments[2])
        else:
            return None
    return None


def _tensor(arguments: tuple[Any, ...]) -> TensorRecord | None:
    if len(arguments) < 4:
        raise UnreadableError("is damaged: a tensor's record has too few parts")
    storage, offset, size, stride = arguments[:4]
    if len(arguments) > 6 and arguments[6]:  # marked as a conjugate or negative: no weights are
        return None
    found = _storage(storage)
    if found is None:
        return None
    if not (_is_count(offset) and _are_counts(size) and _are_counts(stride) and len(size) == len(stride)):
        raise UnreadableError("is damaged: a tensor's size, stride or offset makes no sense")
    return TensorRecord(storage=found, offset=offset, size=tuple(size), stride=tuple(stride))


def _storage(node: object) -> StorageRef | None:
    """The storage that a tensor names; None where its kind of numbers is none of weights."""
    kind, key, numel, rest = storage_parts(node)
    if kind not in STORAGE_DTYPES:
        return None
    return StorageRef(key=key, dtype=STORAGE_DTYPES[kind], numel=numel, view=_part(rest))


def storage_parts(node: object) -> tuple[str, str, int, tuple[Any, ...]]:
    """Kind, key and count of a storage outside the pickle, and what else is said of it.

    Raises:
        UnreadableError: The node is nothing like it.
    """
    parts = node.identity if isinstance(node, Persistent) else None
    if not isinstance(parts, tuple) or len(parts) < 5 or parts[0] != "storage":
        raise UnreadableError("is damaged: a tensor's record names no storage")
    _, kind, key, _, numel = parts[:5]
    if not isinstance(kind, Global) or not isinstance(key, str | int) or not _is_count(numel):
        raise UnreadableError("is damaged: a tensor's record names no proper storage")
    return kind.name, str(key), numel, parts[5:]


def _part(rest: tuple[Any, ...]) -> tuple[int, int] | None:
    """The part of a storage that a legacy file's view means."""
    if not rest or rest[0] is None:
        return None
    view = rest[0]
    if not isinstance(view, tuple | list) or len(view) != 3 or not _are_counts(view[1:]):
        raise UnreadableError("is damaged: a part of a storage makes no sense")
    return view[1], view[2]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _are_counts(values: object) -> bool:
    # torch.Size may come as a record; torch.save itself writes tuples, TorchScript tuples too
    return isinstance(values, tuple | list) and len(values) <= MAX_DIMENSIONS and all(map(_is_count, values))
