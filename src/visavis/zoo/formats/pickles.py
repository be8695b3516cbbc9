"""A pickle read as a text: what it would build and call is written down, and nothing is imported, called or built.

A pickle is a program for a small stack machine. Here the same machine runs with inert parts: a name of a function stays
a name (`Global`), a call becomes a note of it (`Record`). Numbers, texts, lists and dictionaries are themselves. Those
who read the notes know a few names, such as torch's for a tensor, and leave all others alone.
Source: Python's `pickletools`, whose table of operations is used to split the bytes.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from visavis.zoo.formats.contents import UnreadableError

# CLIP ViT-L/14 takes 25 thousand operations and 100 KB, its optimizer's state three times that.
MAX_OPERATIONS = 4_000_000
MAX_BYTES = 128 << 20
MAX_LINE = 1 << 14  # of names and numbers written as text


@dataclass(frozen=True, slots=True)
class Global:
    """The name of something that unpickling would have imported."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Record:
    """A call that unpickling would have made, and what it would have done to the result.

    Attributes:
        function: Usually a `Global`.
        arguments: Usually a tuple.
        state: What the result would have been told to restore.
        items: Set on the result, key by key.
        elements: Appended to the result.
    """

    function: object
    arguments: object
    state: object = None
    items: dict[Any, object] = field(default_factory=dict)
    elements: list[object] = field(default_factory=list)


@dataclass(eq=False, frozen=True, slots=True)
class Persistent:
    """Something that lies outside the pickle, such as the numbers of a tensor."""

    identity: object


def read_pickle(file: BinaryIO, outside: list[Persistent] | None = None) -> object:
    """Reads one pickle from where the file stands, and leaves the file behind its end.

    Args:
        file: Open for reading bytes.
        outside: Is given each mention of something outside the pickle, in order.

    Raises:
        UnreadableError: It is damaged, or larger than any checkpoint's.
    """
    machine = _Machine([] if outside is None else outside)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in texts that nobody prints
            return machine.run(file)
    except (ValueError, struct.error, IndexError, KeyError, OverflowError) as error:
        raise UnreadableError(f"holds a damaged pickle ({error})") from error


class _Bounded:
    """A file that gives no more than a checkpoint's pickle needs."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MAX_BYTES

    def read(self, length: int) -> bytes:
        if length > self.left:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        self.left -= length
        return self.file.read(length)

    def readline(self) -> bytes:
        line = self.file.readline(MAX_LINE)
        self.left -= len(line)
        if self.left < 0:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        return line


class _Machine:
    """The stack, the places marked in it, and what was kept for later."""

    def __init__(self, outside: list[Persistent]) -> None:
        self.outside = outside
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, file: BinaryIO) -> Any:
        operations = pickletools.genops(_Bounded(file))  # type: ignore[arg-type]  # it needs read and readline alone
        for count, (operation, argument, _) in enumerate(operations):
            if count >= MAX_OPERATIONS:
                raise UnreadableError(f"holds a pickle of more than {MAX_OPERATIONS} operations")
            if operation.name == "STOP":
                break
            step = _STEPS.get(operation.name)
            if step is not None:
                step(self, argument)
            else:  # a literal
                self.stack.append(argument)
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        taken = self.stack[mark:]
        del self.stack[mark:]
        return taken

    def pop_into(self, make: Callable[[Any], object]) -> None:
        self.stack.append(make(self.pop_to_mark()))

    def drop(self, mark: int = -1) -> None:
        del self.stack[mark:]

    def pop_tuple(self, length: int) -> None:
        taken = tuple(self.stack.pop() for _ in range(length))
        self.stack.append(taken[::-1])

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else int(index)] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[int(index)])

    def find(self, names: str | None) -> None:
        """A name from the operation itself, or from the stack."""
        if names is None:
            name, module = self.stack.pop(), self.stack.pop()
        else:
            module, _, name = names.partition(" ")
        named = isinstance(module, str) and isinstance(name, str)
        self.stack.append(Global(module, name) if named else Record(module, (name,)))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(Record(function, arguments))

    def call_with_keywords(self) -> None:
        keywords, arguments, function = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.stack.append(Record(function, arguments, state=keywords))

    def mention(self, identity: object) -> None:
        self.outside.append(Persistent(identity))
        self.stack.append(self.outside[-1])

    def instantiate(self, names: str | None) -> None:
        arguments = self.pop_to_mark()
        if names is None:
            function = arguments.pop(0)
        else:
            module, _, name = names.partition(" ")
            function = Global(module, name)
        self.stack.append(Record(function, tuple(arguments)))

    def build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Record):
            self.stack[-1].state = state

    def extend(self, elements: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target.elements.extend(elements)
        elif isinstance(target, list):
            target.extend(elements)

    def update(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        items = target.items if isinstance(target, Record) else target
        if isinstance(items, dict):
            _fill(items, flat)

    def make_dict(self, flat: list[Any]) -> dict[Any, Any]:
        return _fill({}, flat)


def _fill(items: dict[Any, Any], flat: list[Any]) -> dict[Any, Any]:
    """Sets keys and values that stand in turn."""
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        # Tuples may take for ever to hash, and large numbers can be chosen to share their hash.
        plain = isinstance(key, str | bytes) or (isinstance(key, int) and abs(key) < 1 << 60)
        items[key if plain else f"<{type(key).__name__} {len(items)}>"] = value
    return items


def _refuse(machine: _Machine, argument: object) -> None:
    raise ValueError("it expects buffers from elsewhere")


def _nothing(machine: _Machine, argument: object) -> None:
    """Operations about the pickle itself."""


# All operations but those whose argument is the value.
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    "READONLY_BUFFER": _nothing,
    "NEXT_BUFFER": _refuse,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.drop(),
    "POP_MARK": lambda machine, _: machine.drop(machine.marks.pop()),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_SET": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "TUPLE": lambda machine, _: machine.pop_into(tuple),
    "TUPLE1": lambda machine, _: machine.pop_tuple(1),
    "TUPLE2": lambda machine, _: machine.pop_tuple(2),
    "TUPLE3": lambda machine, _: machine.pop_tuple(3),
    "LIST": lambda machine, _: machine.pop_into(list),
    "FROZENSET": lambda machine, _: machine.pop_into(list),
    "DICT": lambda machine, _: machine.pop_into(machine.make_dict),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.update([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.update(machine.pop_to_mark()),
    "GLOBAL": lambda machine, names: machine.find(names),
    "STACK_GLOBAL": lambda machine, _: machine.find(None),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "NEWOBJ_EX": lambda machine, _: machine.call_with_keywords(),
    "INST": lambda machine, names: machine.instantiate(names),
    "OBJ": lambda machine, _: machine.instantiate(None),
    "BUILD": lambda machine, _: machine.build(),
    "PUT": lambda machine, index: machine.put(index),
    "BINPUT": lambda machine, index: machine.put(index),
    "LONG_BINPUT": lambda machine, index: machine.put(index),
    "MEMOIZE": lambda machine, _: machine.put(None),
    "GET": lambda machine, index: machine.get(index),
    "BINGET": lambda machine, index: machine.get(index),
    "LONG_BINGET": lambda machine, index: machine.get(index),
    "PERSID": lambda machine, text: machine.mention(text),
    "BINPERSID": lambda machine, _: machine.mention(machine.stack.pop()),
    "EXT1": lambda machine, code: machine.stack.append(Global("copyreg", f"extension {code}")),
    "EXT2": lambda machine, code: machine.stack.append(Global("copyreg", f"extension {code}")),
    "EXT4": lambda machine, code: machine.stack.append(Global("copyreg", f"extension {code}")),
}
