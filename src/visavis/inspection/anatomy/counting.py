"""Multiply-accumulates of each operation that torch runs, and of the operations for which nobody has a rule.

The one idea: count beneath the modules, at torch's dispatcher, where every path arrives, attention's two products too.
An operation is counted, or known to cost no multiply-accumulates, or unknown; what is unknown is never taken for zero.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from visavis.inspection.anatomy import shapes
from visavis.inspection.anatomy.operations import FREE, is_view, name_of

aten = torch.ops.aten


def _attention_macs(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Both products of one attention, whoever fuses them; the last two axes are [tokens, width]."""
    scores = math.prod(query.shape[:-1]) * key.shape[-2]  # one for each head, query and key
    return scores * (query.shape[-1] + value.shape[-1])


def _matrix_vector_macs(matrix: Tensor, vector: Tensor) -> int:
    return matrix.numel()


_RULES: dict[Any, Callable[..., int]] = {  # beside torch's own
    aten.dot: _matrix_vector_macs,
    aten.mv: _matrix_vector_macs,
    aten.vdot: _matrix_vector_macs,
}


def macs_of(func: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> int | None:
    """Multiply-accumulates of one call of the dispatcher; 0 for what is free, None for what has no rule.

    Counted are convolutions, matrix products in all their forms and attention. Half of torch's own count where it has
    one, since that is in FLOPs.
    """
    packet, name = func._overloadpacket, name_of(func)
    if packet in _RULES:
        return _RULES[packet](*args, **kwargs)
    if name.startswith("_scaled_dot_product"):
        return _attention_macs(*args[:3])
    if packet in flop_registry:
        return flop_registry[packet](*args, **kwargs, out_val=result) // 2
    free = is_view(func) or torch.Tag.pointwise in func.tags or (func.namespace == "aten" and name in FREE)
    return 0 if free or func.namespace == "profiler" else None


def is_product(func: Any) -> bool:
    """Whether an operation multiplies a batch of matrices by another, as attention does where neither are weights."""
    return name_of(func) in ("bmm", "baddbmm") or name_of(func).startswith("_scaled_dot_product")


class Watching(TorchDispatchMode):
    """A dispatch mode that starts quickly: torch else imports its compiler, in 0.9 s, to keep it off such modes."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class Counting(Watching):
    """Counts all that runs within it.

    Args:
        weights: Of the network, which attention's products do not read.

    Attributes:
        known: Multiply-accumulates of what has a rule.
        attention: The share of attention's two products in them.
        unknown: How often each operation without a rule ran.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()
        self.known = self.attention = 0
        self.unknown: Counter[str] = Counter()
        self._weights = {weight.untyped_storage()._cdata for weight in weights}  # views of them share their memory

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates, or None where something is unknown."""
        return None if self.unknown else self.known

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = shapes.run(func, args, kwargs or {})
        macs = macs_of(func, args, kwargs or {}, result)
        if macs is None:
            self.unknown[name_of(func)] += 1
        else:
            self.known += macs
            self.attention += macs if is_product(func) and not self._reads_weights(args) else 0
        return result

    def _reads_weights(self, args: Iterable[Any]) -> bool:
        tensors = (value for value in args if isinstance(value, Tensor))
        return any(tensor.untyped_storage()._cdata in self._weights for tensor in tensors)


def count_on_meta(tower: nn.Module, image_size: int, channels: int = 3) -> Counting:
    """Counts one image through a module, computing nothing and taking no memory.

    Args:
        tower: A module whose forward takes images; neither it nor its weights are touched.
        image_size: Side of the square input in pixels.
        channels: Of the input.
    """
    return count_outline(on_meta(tower), image_size, channels)


def count_outline(tower: nn.Module, image_size: int, channels: int = 3) -> Counting:
    """The same for a module that lies on the meta device and is in evaluation mode, without copying it."""
    images = images_for(tower, image_size, channels)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), Counting(tower.parameters()) as counting:
        tower(images)
    return counting


def images_for(module: nn.Module, image_size: int, channels: int = 3) -> Tensor:
    """An image without numbers, in the precision of a module's weights: [1, channels, image_size, image_size]."""
    dtypes = (parameter.dtype for parameter in module.parameters() if parameter.is_floating_point())
    return torch.empty(1, channels, image_size, image_size, device="meta", dtype=next(dtypes, torch.float32))


def on_meta(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose tensors, also those that are neither parameters nor buffers, have no numbers."""
    held = (*module.parameters(), *module.buffers(), *_plain_tensors(module.modules()))
    copies = {id(tensor): _without_numbers(tensor) for tensor in held}
    return copy.deepcopy(module, copies).eval()  # copies all but the tensors, for which those stand in


def _plain_tensors(modules: Iterable[nn.Module]) -> Iterable[Tensor]:
    for module in modules:
        for name, value in vars(module).items():
            if not name.startswith(("_parameters", "_buffers", "_modules")):
                yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _without_numbers(tensor: Tensor) -> Tensor:
    empty = shapes.empty_like(tensor)
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty
