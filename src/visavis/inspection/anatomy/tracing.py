"""Any module as a tree of layers: what runs in it, in which order, on which shapes.

The one idea: run it once on the meta device, where a tensor has a shape and no numbers, and keep what was seen. A
module that runs several times, such as a bottleneck's one ReLU, is a layer for each of its runs, in order:
"layer1.0.relu", "layer1.0.relu#2", "layer1.0.relu#3". Each reads and costs what that run did; `runs` says of all of
them how often the module runs, and its parameters stand with the first. A module whose weights its parent uses without
calling it, such as the `out_proj` of torch's multi-head attention, stands for the operation that uses them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from visavis.inspection.anatomy.counting import images_for, on_meta
from visavis.inspection.anatomy.nodes import Node
from visavis.inspection.anatomy.receptive_field import field_of_image
from visavis.inspection.anatomy.recording import Recorder
from visavis.inspection.anatomy.settings import settings_of, settings_of_operation
from visavis.inspection.anatomy.tree import Layer, Shape

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)  # never run, and hold others
FLOAT32 = 4  # bytes
LONGEST_REASON = 240  # characters of an error that are passed on


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A module's layers.

    Attributes:
        input_shape: Of what it was given, without the batch.
        root: All of it.
        failure: Why it could not be run, as an error said it; None where it ran.
    """

    input_shape: Shape
    root: Layer
    failure: str | None = None


def trace_images(module: nn.Module, image_size: int) -> Trace:
    """The layers of what images [batch, channels, image_size, image_size] pass through.

    The module and its weights are not touched: a copy without numbers runs. Images have three channels, or as many as
    the module's first convolution reads where it takes no others. Where that fails, as with control flow that depends
    on numbers, or another input than the module takes, the modules and their parameters are all that is known.
    """
    trace = _trace(module, images_for(module, image_size), "forward")
    channels = next((inner.in_channels for inner in module.modules() if isinstance(inner, nn.Conv2d)), 3)
    if trace.failure is None or channels == 3:
        return trace
    other = _trace(module, images_for(module, image_size, channels), "forward")
    return other if other.failure is None else trace


def trace_texts(module: nn.Module, context_length: int, method: str = "forward") -> Trace:
    """The layers of what tokens [batch, context_length] pass through; of a pair of towers, what `method` runs alone."""
    return _trace(module, torch.zeros(1, context_length, device="meta", dtype=torch.long), method)


def _trace(module: nn.Module, given: Tensor, method: str) -> Trace:
    shape = tuple(given.shape[1:])
    try:
        recorder = Recorder(on_meta(module))
        with sdpa_kernel(SDPBackend.MATH):  # in its plain form attention shows both of its products
            recorder.run(given, field_of_image(given.shape) if given.ndim == 4 else None, method)
        assert recorder.root is not None, "the module ran"
        return Trace(input_shape=shape, root=_Building(recorder, whole=method == "forward").layer(recorder.root))
    except Exception as error:  # a foreign module can raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
        reason = said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON].rstrip()}…"
        return Trace(input_shape=shape, root=static_layer(module, "", set()), failure=reason)


def static_layer(module: nn.Module, name: str, counted: set[int]) -> Layer:
    """A module that never ran, with what lies in it.

    Args:
        module: What to describe.
        name: Its path.
        counted: Identities of parameters that are counted elsewhere; those of this module are added.
    """
    own = [parameter for parameter in module.parameters(recurse=False) if id(parameter) not in counted]
    counted.update(id(parameter) for parameter in own)
    children = tuple(
        static_layer(child, f"{name}.{key}" if name else key, counted) for key, child in module.named_children()
    )
    return Layer(
        name=name,
        kind=type(module).__name__,
        is_module=True,
        settings=settings_of(module),
        output_shape=None,
        params=sum(parameter.numel() for parameter in own) + sum(child.params for child in children),
        macs=None,
        children=children,
    )


class _Building:
    """Turns nodes into layers, and finds the place of what never ran.

    Args:
        recorder: What was seen.
        whole: Whether modules and parameters that took no part belong to the tree.
    """

    def __init__(self, recorder: Recorder, whole: bool) -> None:
        self.runs = recorder.runs
        self.sizes = {name: parameter.numel() for name, parameter in recorder.module.named_parameters()}
        self.own: Counter[int] = Counter()  # parameters by the identity of the node that counts them
        self.stored: set[int] = set()  # memory that is counted
        self.idle: defaultdict[int, list[Layer]] = defaultdict(list)
        assert recorder.root is not None, "the module ran"
        self._new_bytes(recorder.root.given)  # the input is none of the layers'
        first: dict[str, Node] = {}
        for node in recorder.root.walk():
            self.own[id(node)] += sum(self.sizes[name] for name in node.weights)
            if node.module is not None:
                first.setdefault(node.path, node)
        if whole:
            read = {name for node in recorder.root.walk() for name in node.reads}
            counted = {id(parameter) for name, parameter in recorder.module.named_parameters() if name in read}
            self._place(recorder.module, "", first, recorder.root, counted)

    def _place(self, module: nn.Module, path: str, first: dict[str, Node], host: Node, counted: set[int]) -> None:
        """Counts what no operation read where it belongs: with the module that holds it, or with one that never ran."""
        host = first.get(path, host)
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in counted:
                counted.add(id(parameter))
                self.own[id(host)] += parameter.numel()
        for key, child in module.named_children():
            inner = f"{path}.{key}" if path else key
            if any(name == inner or name.startswith(f"{inner}.") for name in first):
                self._place(child, inner, first, host, counted)
            else:
                layer = static_layer(child, inner, counted)
                if layer.params or not isinstance(child, CONTAINERS):
                    self.idle[id(host)].append(layer)

    def layer(self, node: Node) -> Layer:
        """A node with all below it."""
        idle = self.idle[id(node)]
        atom = _is_atom(node) and not idle
        stored = self._new_bytes(node.made) if atom or not node.children else 0
        below = [self.layer(child) for child in node.children]
        unknown = node.unknown.union(*(child.unknown for child in below))
        macs = node.macs + sum(child.macs or 0 for child in below)
        sight = node.sees
        return Layer(
            name=node.name,
            kind=node.kind,
            is_module=node.module is not None,
            settings=self._settings(node, atom),
            input_shapes=tuple(_shape(tensor) for tensor in node.given),
            output_shape=_shape(node.made[0]) if node.made else (),
            params=self.own[id(node)] + sum(child.params for child in (*below, *idle)),
            macs=None if unknown else macs,
            activation_bytes=stored if atom else stored + sum(child.activation_bytes or 0 for child in below),
            unknown=tuple(sorted(unknown)),
            runs=self.runs[node.path] if node.module is not None else 1,
            receptive_field=sight.side if sight else None,
            stride=sight.step if sight and not sight.whole else None,
            centre=sight.centre if sight and not sight.whole else None,
            children=() if atom else (*below, *idle),
            sources=tuple(node.sources),
        )

    def _new_bytes(self, made: Sequence[Tensor]) -> int:
        """What tensors take in float32, without those that only look at memory which is counted already."""
        new = {tensor.untyped_storage()._cdata: tensor.numel() for tensor in made}
        numbers = sum(numel for storage, numel in new.items() if storage not in self.stored)
        self.stored.update(new)
        return numbers * FLOAT32

    def _settings(self, node: Node, atom: bool) -> str:
        own = settings_of(node.module) if node.module is not None else ""
        if own or (node.module is not None and not (atom and node.children)):
            return own
        inner = node.children[0] if atom and node.children else node
        if inner.picks is not None:
            return f"token {inner.picks}"
        weights = [name.removeprefix(f"{node.path}.") for name in inner.reads]
        return settings_of_operation(inner.kind, inner.given, inner.made[0] if inner.made else None, weights)


def _is_atom(node: Node) -> bool:
    """Whether a module is shown as one layer: torch's own, one operation, or nothing but element-wise ones."""
    if node.module is None or any(child.module is not None for child in node.children):
        return False
    own = type(node.module).__module__.startswith("torch.nn.modules")
    activation = not any(child.reads for child in node.children) and all(child.elementwise for child in node.children)
    return own or len(node.children) <= 1 or activation


def _shape(tensor: Tensor) -> Shape:
    """Without the batch of one, which comes first, or second in sequences of older Transformers."""
    sides = tuple(tensor.shape)
    batch = next((axis for axis, side in enumerate(sides[:2]) if side == 1), None)
    return sides if batch is None else sides[:batch] + sides[batch + 1 :]
