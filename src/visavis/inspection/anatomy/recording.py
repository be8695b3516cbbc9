"""One run of a network, watched: which modules and operations ran, what each read, and what it cost.

The one idea: every tensor remembers what made it. Three watchers see a run: hooks see modules begin and end, a function
mode sees torch's functions by the names that people write, and a dispatch mode beneath both sees what really runs. An
operation is a node of its own where it computes or joins something that depends on the input; what only views, copies
or creates passes on where its input came from, so that edges lead through it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from visavis.inspection.anatomy import shapes
from visavis.inspection.anatomy.counting import Watching, macs_of
from visavis.inspection.anatomy.nodes import OUTSIDE, Node, link, tensors_in
from visavis.inspection.anatomy.operations import CREATING, MOVING, PLAIN_NAMES, is_view, name_of
from visavis.inspection.anatomy.receptive_field import Field, follow


@dataclass(frozen=True)
class _Origin:
    """What made a tensor: nodes, `OUTSIDE` among them for the network's input, and parameters by name."""

    nodes: tuple[Node, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One call of the dispatcher."""

    name: str
    macs: int | None
    moves: bool
    creates: bool
    elementwise: bool
    written: tuple[Tensor, ...]


NOTHING = _Origin()


class Recorder:
    """Watches one run of a module that lies on the meta device.

    Attributes:
        root: The run of the module itself, once it has begun.
        runs: How often each module ran, by its path.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.root: Node | None = None
        self.runs: Counter[str] = Counter()
        self._frame: Node | None = None
        self._calls: list[_Call] | None = None  # of the function that is running
        self._paused = False
        self._paths = {inner: path for path, inner in module.named_modules()}
        self._parameters = {id(parameter): name for name, parameter in module.named_parameters()}
        self._names: set[str] = set(self._paths.values())
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._seen: set[str] = set()  # parameters
        self._origins: dict[int, _Origin] = {}
        self._fields: dict[int, Field | None] = {}
        self._storages: dict[int, list[Tensor]] = {}
        self._kept: list[Any] = []  # no identity is used twice while all tensors live; on the meta device they are free

    def run(self, given: Tensor, field: Field | None, method: str) -> None:
        """Calls a method of the module with its input; `root` has what happened, also where that fails.

        Args:
            given: The input, on the meta device.
            field: What it sees of the image, None for a text.
            method: "forward", or another that takes the same.
        """
        self._remember(given, _Origin((OUTSIDE,)))
        if field is not None:
            self._fields[id(given)] = field
        with self._hooks(), torch.no_grad(), _Functions(self), _Dispatch(self):
            if method == "forward":
                self.module(given)
            else:
                self._enter(self.module, (given,), {})
                self._leave(self.module, (given,), {}, getattr(self.module, method)(given))

    def function(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Runs one of torch's functions and records it."""
        if self._paused or self._calls is not None or func is F.multi_head_attention_forward:
            return func(*args, **kwargs)  # that one is many operations, which are seen at the dispatcher
        calls: list[_Call] = []
        self._calls = calls
        try:
            result = func(*args, **kwargs)
        finally:
            self._calls = None
        given, made = tensors_in((args, kwargs)), tensors_in(result)
        if calls:
            kind = getattr(func, "__name__", "operation").strip("_")
            picks = _picked_token(args[1], made) if kind == "getitem" else None
            self._record(PLAIN_NAMES.get(kind, kind), calls, given, made, picks)
        else:  # such as `x.data`, another object with the same numbers
            for tensor in made:
                if id(tensor) not in self._origins:
                    self._remember(tensor, self._first_origin(given))
        return result

    def dispatch(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Runs one operation of the dispatcher, counts it, and records it where no function above it does."""
        result = shapes.run(func, args, kwargs)
        if self._paused:
            return result
        given, made = tensors_in((args, kwargs)), tensors_in(result)
        name = name_of(func)
        call = _Call(
            name=name,
            macs=macs_of(func, args, kwargs, result),
            moves=is_view(func) or name in MOVING,
            creates=name in CREATING,
            elementwise=torch.Tag.pointwise in func.tags,
            written=_written(func, args),
        )
        seen = [self._fields[id(tensor)] for tensor in given if id(tensor) in self._fields]
        if seen and made:
            found = follow(func, args, made[0], seen)
            self._fields.update((id(tensor), found) for tensor in (*made, *call.written))
            self._kept.append(made)
        if self._calls is not None:
            self._calls.append(call)
        else:
            kind = name.strip("_")
            self._record(PLAIN_NAMES.get(kind, kind), [call], given, made, None)
        return result

    def _record(
        self, kind: str, calls: Sequence[_Call], given: Sequence[Tensor], made: Sequence[Tensor], picks: int | None
    ) -> None:
        """Makes a node of what ran, or passes on where its input came from."""
        origins = [self._origin(tensor) for tensor in given]
        nodes = tuple(dict.fromkeys(node for origin in origins for node in origin.nodes))
        parameters = tuple(dict.fromkeys(name for origin in origins for name in origin.parameters))
        written = [tensor for call in calls for tensor in call.written]
        if not nodes or all(call.creates for call in calls):  # does not depend on the input
            self._charge(self._frame, calls)
            origin = _Origin((), () if nodes else parameters)
        elif all(call.moves or call.creates for call in calls) and picks is None:
            origin = _Origin(nodes, parameters) if written else self._first_origin(given)
        else:
            node = self._operation(kind, calls, [t for t, o in zip(given, origins, strict=True) if o.nodes], made)
            node.picks = picks
            self._read(node, parameters)
            for source in nodes:
                link(source, node)
            origin = _Origin((node,))
        for tensor in written:
            self._overwrite(tensor, origin)
        for tensor in made:
            self._remember(tensor, origin)

    def _operation(self, kind: str, calls: Sequence[_Call], given: Sequence[Tensor], made: Sequence[Tensor]) -> Node:
        frame = self._frame
        assert frame is not None, "operations run within the root"
        node = Node(
            name=self._free_name(frame.name, kind),
            kind=kind,
            module=None,
            path=frame.path,
            parent=frame,
            given=tuple(given),
            made=tuple(made),
            elementwise=all(call.elementwise or call.moves for call in calls),
            sees=self._fields.get(id(made[0])) if made else None,
        )
        self._charge(node, calls)
        frame.children.append(node)
        return node

    def _charge(self, node: Node | None, calls: Iterable[_Call]) -> None:
        assert node is not None, "operations run within the root"
        for call in calls:
            node.macs += call.macs or 0
            if call.macs is None:
                node.unknown.add(call.name)

    def _read(self, node: Node, parameters: tuple[str, ...]) -> None:
        """Notes which parameters a node reads. Weights of a module that never runs itself make it that module's run."""
        node.reads = parameters
        node.weights = tuple(name for name in parameters if name not in self._seen)
        self._seen.update(parameters)
        owners = {name.rpartition(".")[0] for name in parameters}
        owner = owners.pop() if len(owners) == 1 else node.path
        below = owner.startswith(f"{node.path}." if node.path else "") and owner != node.path
        if below and not self.runs[owner]:
            node.module, node.path = self.module.get_submodule(owner), owner
            node.kind = type(node.module).__name__
            node.name = self._name_of_run(node.module, node.parent)

    def _enter(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        node = Node(
            name=self._name_of_run(module, self._frame),
            kind=type(module).__name__,
            module=module,
            path=self._paths[module],
            parent=self._frame,
            given=tuple(tensors_in((args, kwargs))),
        )
        if self._frame is None:
            self.root = node
        else:
            self._frame.children.append(node)
        self._frame = node

    def _leave(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> Any:
        """Ends a module's run. One in which nothing ran gives new tensors, so that they tell that they passed it."""
        node = self._frame
        assert node is not None, "a module ends that has begun"
        if not node.children:
            output = self._pass_on(node, output)
        node.made = tuple(tensors_in(output))
        node.sees = self._fields.get(id(node.made[0])) if node.made else None
        self._frame = node.parent
        return output

    def _pass_on(self, node: Node, output: Any) -> Any:
        def passed(tensor: Tensor) -> Tensor:
            before = self._origin(tensor)
            if not before.nodes:
                return tensor
            for source in before.nodes:
                link(source, node)
            again = tensor.view_as(tensor) if any(tensor is given for given in node.given) else tensor
            if id(tensor) in self._fields:
                self._fields[id(again)] = self._fields[id(tensor)]
            self._remember(again, _Origin((node,)))
            return again

        self._paused = True
        try:
            return tree_map_only(Tensor, passed, output)
        finally:
            self._paused = False

    def _name_of_run(self, module: nn.Module, parent: Node | None) -> str:
        """The module's path below its parent's name; from the second run on with its number behind "#"."""
        path = self._paths[module]
        self.runs[path] += 1
        name = path
        if parent is not None and path.startswith(f"{parent.path}." if parent.path else ""):
            below = path[len(parent.path) :].lstrip(".")
            name = f"{parent.name}.{below}" if parent.name else below
        self._numbers[name, "#"] += 1
        number = self._numbers[name, "#"]
        return name if number == 1 else f"{name}#{number}"

    def _free_name(self, parent: str, kind: str) -> str:
        """An operation's name, numbered from the second on, and never a module's."""
        while True:
            self._numbers[parent, kind] += 1
            number = self._numbers[parent, kind]
            name = f"{parent}." * bool(parent) + kind + (str(number) if number > 1 else "")
            if name not in self._names:
                return name

    def _origin(self, tensor: Tensor) -> _Origin:
        known = self._origins.get(id(tensor))
        if known is not None:
            return known
        name = self._parameters.get(id(tensor))
        return NOTHING if name is None else _Origin((), (name,))

    def _first_origin(self, given: Iterable[Tensor]) -> _Origin:
        """That of the first tensor that depends on the input; others may only lend their shape."""
        origins = [self._origin(tensor) for tensor in given]
        return next((origin for origin in origins if origin.nodes), next(iter(origins), NOTHING))

    def _remember(self, tensor: Tensor, origin: _Origin) -> None:
        if id(tensor) not in self._origins:
            self._kept.append(tensor)
            self._storages.setdefault(tensor.untyped_storage()._cdata, []).append(tensor)
        self._origins[id(tensor)] = origin

    def _overwrite(self, tensor: Tensor, origin: _Origin) -> None:
        """New numbers for all tensors that share this one's memory, or for a part of them where it is a part."""
        storage = tensor.untyped_storage()
        whole = tensor.numel() * tensor.element_size() >= storage.nbytes()
        for other in self._storages.get(storage._cdata, []):
            before = NOTHING if whole else self._origins[id(other)]
            self._origins[id(other)] = _Origin(
                tuple(dict.fromkeys((*before.nodes, *origin.nodes))),
                tuple(dict.fromkeys((*before.parameters, *origin.parameters))),
            )

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        handles = []
        for module in self.module.modules():
            handles += [
                module.register_forward_pre_hook(self._enter, with_kwargs=True),
                module.register_forward_hook(self._leave, with_kwargs=True),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Functions(TorchFunctionMode):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._run: Callable[..., Any] = recorder.function

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._run(func, args, kwargs or {})


class _Dispatch(Watching):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._run: Callable[..., Any] = recorder.dispatch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._run(func, args, kwargs or {})


def _written(func: Any, args: tuple) -> tuple[Tensor, ...]:
    """The arguments that an operation changes."""
    if not func._schema.is_mutable:
        return ()
    pairs = zip(func._schema.arguments, args, strict=False)
    changed = [value for argument, value in pairs if argument.alias_info is not None and argument.alias_info.is_write]
    return tuple(tensors_in(changed))


def _picked_token(index: Any, made: Sequence[Tensor]) -> int | None:
    """Which token `x[:, 0]` reads of a sequence, which is a view and yet a step; it gives [batch, width]."""
    if not isinstance(index, tuple) or len(index) < 2 or not made or made[0].ndim != 2:
        return None
    return index[1] if index[0] == slice(None) and isinstance(index[1], int) else None
