"""Shapes of what operations give, without the machinery by which torch finds some of them.

The one idea: on the meta device torch runs many operations as decompositions in Python, whose first use imports its
compiler and sympy: 1.2 s before the first layer, half of what a command may take. What the operations of ResNets and
Transformers give is plain to see, so it is said here. Whatever does not fit exactly, an error too, is left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

aten = torch.ops.aten


def run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """`func(*args, **kwargs)`; for tensors of the meta device with the same shapes, dtypes and order in memory.

    A tensor with numbers that meets one without, such as a constant that a network makes for itself, is read as one
    without.
    """
    if func is aten.arange.default and _counts_on_meta(args, kwargs):
        return torch.empty(args[0], dtype=torch.long, device="meta")
    rule = _RULES.get(func)
    found = rule(*args) if rule is not None and _is_plain(args, kwargs, func in MIXED) else None
    if found is not None:
        return found
    args, kwargs = _without_numbers(func, args, kwargs)
    return func(*args, **kwargs)


def empty_like(tensor: Tensor) -> Tensor:
    """A tensor of the meta device with the shape of another, its axes in the same order in memory, without gaps."""
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)  # outermost first
    strides, step = [0] * tensor.ndim, 1
    for axis in reversed(order):
        strides[axis] = step
        step *= max(tensor.shape[axis], 1)
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")


def _without_numbers(func: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The arguments, all on the meta device where one is; but what is written keeps its numbers, and torch refuses."""
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    meta = sum(tensor.is_meta for tensor in tensors)
    written = func._schema.is_mutable and not (isinstance(args[0], Tensor) and args[0].is_meta)
    if meta in (0, len(tensors)) or written:
        return args, kwargs
    return tree_map_only(Tensor, lambda one: one if one.is_meta else empty_like(one), (args, kwargs))


def _counts_on_meta(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether `arange` gives the whole numbers from 0."""
    plain = type(args[0]) is int and args[0] >= 0 and kwargs.get("dtype") is None
    return plain and str(kwargs.get("device")) == "meta"


def _is_plain(args: tuple, kwargs: dict[str, Any], mixed: bool) -> bool:
    """Whether all tensors are of the meta device and, unless mixed, float32, which spares the rules of promotion."""
    listed = args[0] if args and isinstance(args[0], list) else args
    tensors = [value for value in listed if isinstance(value, Tensor)]
    return not kwargs and all(tensor.is_meta and (mixed or tensor.dtype == torch.float32) for tensor in tensors)


def _elementwise(*args: Any) -> Tensor | None:
    tensors = [value for value in args if isinstance(value, Tensor)]
    ndim = max(tensor.ndim for tensor in tensors)
    padded = [(1,) * (ndim - tensor.ndim) + tuple(tensor.shape) for tensor in tensors]
    shape = tuple(max(sides) for sides in zip(*padded, strict=True))
    fits = all({*sides} <= {1, most} for sides, most in zip(zip(*padded, strict=True), shape, strict=True))
    whole = [tensor for tensor in tensors if tuple(tensor.shape) == shape]
    if not fits or len({tensor.stride() for tensor in whole}) != 1:
        return None
    return empty_like(whole[0])


def _convolution(images: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor | None:
    stride, padding, dilation, transposed, _, groups = settings
    if transposed or images.ndim != 4 or images.shape[1] != weight.shape[1] * groups:
        return None
    if not (images.is_contiguous() and weight.is_contiguous()):  # the order in memory follows both
        return None
    return _windows(images, weight.shape[0], weight.shape[2:], stride, padding, dilation)


def _max_pool(images: Tensor, kernel: list[int], *settings: Any) -> tuple[Tensor, Tensor] | None:
    usual: tuple[Any, ...] = ([], [0, 0], [1, 1], False)
    stride, padding, dilation, ceil = [*settings, *usual[len(settings) :]]
    if ceil or images.ndim != 4 or not images.is_contiguous():
        return None
    pooled = _windows(images, images.shape[1], kernel, stride or kernel, padding, dilation)
    return None if pooled is None else (pooled, pooled.new_empty(pooled.shape, dtype=torch.long))


def _avg_pool(images: Tensor, kernel: list[int], *settings: Any) -> Tensor | None:
    stride, padding, ceil = (*settings, *((), [0, 0], False)[len(settings) :])[:3]
    if ceil or images.ndim != 4 or not images.is_contiguous():
        return None
    return _windows(images, images.shape[1], kernel, stride or kernel, padding, [1, 1])


def _windows(images: Tensor, channels: int, kernel: Sequence[int], *settings: Sequence[int]) -> Tensor | None:
    """What windows give that slide over images; `settings` are stride, padding and dilation, each one number or two."""
    sides = []
    for axis, (side, size) in enumerate(zip(images.shape[2:], _two(kernel), strict=True)):
        step, pad, gap = (_two(setting)[axis] for setting in settings)
        sides.append((side + 2 * pad - gap * (size - 1) - 1) // step + 1)
    return images.new_empty([images.shape[0], channels, *sides]) if min(sides) > 0 else None


def _two(value: Sequence[int]) -> list[int]:
    return [*value, *value][:2]


def _addmm(bias: Tensor, left: Tensor, right: Tensor) -> Tensor | None:
    fits = left.shape[1] == right.shape[0] and bias.shape == right.shape[1:]
    return left.new_empty([left.shape[0], right.shape[1]]) if fits else None


def _mm(left: Tensor, right: Tensor) -> Tensor | None:
    return left.new_empty([left.shape[0], right.shape[1]]) if left.shape[1] == right.shape[0] else None


def _bmm(left: Tensor, right: Tensor) -> Tensor | None:
    fits = left.shape[0] == right.shape[0] and left.shape[2] == right.shape[1]
    return left.new_empty([*left.shape[:2], right.shape[2]]) if fits else None


def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    dim %= max(tensors[0].ndim, 1)
    around = {(tensor.ndim, tensor.shape[:dim], tensor.shape[dim + 1 :]) for tensor in tensors}
    if len(around) > 1 or (tensors[0].ndim > 3 and not all(tensor.is_contiguous() for tensor in tensors)):
        return None
    whole = sum(tensor.shape[dim] for tensor in tensors)
    return tensors[0].new_empty([*tensors[0].shape[:dim], whole, *tensors[0].shape[dim + 1 :]])


def _mean(given: Tensor, dims: list[int] | None, keep: bool = False) -> Tensor | None:
    if not dims:
        return None
    over = {dim % given.ndim for dim in dims}
    sides = [(1 if axis in over else side, axis in over) for axis, side in enumerate(given.shape)]
    shape = [side for side, gone in sides if keep or not gone]
    ordered = given.is_contiguous() or sum(side > 1 for side in shape) < 2
    return given.new_empty(shape) if ordered else None


def _argmax(given: Tensor, dim: int | None = None) -> Tensor | None:
    if dim is None or given.ndim < 2:
        return None
    shape = [side for axis, side in enumerate(given.shape) if axis != dim % given.ndim]
    return given.new_empty(shape, dtype=torch.long)


def _batch_norm(images: Tensor, *settings: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """In evaluation; the statistics that it also gives are the stored ones."""
    weight, bias, mean, variance, training = settings[:5]
    if training or any(own is not None and own.shape != images.shape[1:2] for own in (weight, bias, mean, variance)):
        return None
    return empty_like(images), empty_like(mean), empty_like(variance)


def _layer_norm(tokens: Tensor, normalized: list[int], *settings: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """Contiguous, with a mean and a deviation for each token."""
    if list(tokens.shape[-len(normalized) :]) != list(normalized) or not tokens.is_contiguous():
        return None
    each = [*tokens.shape[: -len(normalized)], *(1 for _ in normalized)]
    return tokens.new_empty(tokens.shape), tokens.new_empty(each), tokens.new_empty(each)


def _where(mask: Tensor, *values: Tensor) -> Tensor | None:
    """Of a mask and two single numbers."""
    fits = values[0].dtype == values[1].dtype and values[0].ndim == values[1].ndim == 0
    return empty_like(mask).to(values[0].dtype) if fits else None


def _embedding(table: Tensor, indices: Tensor, *settings: Any) -> Tensor:
    return table.new_empty([*indices.shape, table.shape[1]])


def _index(given: Tensor, indices: list[Tensor | None]) -> Tensor | None:
    """Of a list of places, whose coordinates come each in a tensor of its own."""
    if any(one is None or one.ndim != 1 or one.dtype != torch.long for one in indices):
        return None
    lengths = {len(one) for one in indices if one is not None}
    return given.new_empty([*lengths, *given.shape[len(indices) :]]) if len(lengths) == 1 else None


def _same(given: Tensor, *settings: Any) -> Tensor:
    return empty_like(given)


_RULES: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor), _elementwise),
    **dict.fromkeys((aten.mul.Scalar, aten.gelu.default, aten.sigmoid.default, aten.silu.default), _same),
    **dict.fromkeys((aten._softmax.default, aten._safe_softmax.default), _same),
    aten.addmm.default: _addmm,
    aten.argmax.default: _argmax,
    aten.avg_pool2d.default: _avg_pool,
    aten.bmm.default: _bmm,
    aten.cat.default: _cat,
    aten.convolution.default: _convolution,
    aten.embedding.default: _embedding,
    aten.index.Tensor: _index,
    aten.max_pool2d_with_indices.default: _max_pool,
    aten.mean.dim: _mean,
    aten.mm.default: _mm,
    aten.native_batch_norm.default: _batch_norm,
    aten.native_layer_norm.default: _layer_norm,
    aten.tril.default: _same,
    aten.where.self: _where,
}
MIXED = frozenset(
    {aten.argmax.default, aten.embedding.default, aten.tril.default, aten.where.self}
)  # integers and masks go in
