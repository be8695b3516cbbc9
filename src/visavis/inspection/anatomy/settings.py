"""What a module or an operation was made with, in the few words that stand beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

WEIGHTED = ("linear", "matmul", "addmm", "mm", "bmm", "baddbmm", "einsum")  # operations that map one width to another


def settings_of(module: nn.Module) -> str:
    """A module's settings: "3x3, 64 to 64, stride 2"; empty where its name says all.

    Anything that looks like a convolution, a linear layer and so on is read by its attributes, since libraries derive
    their own classes.
    """
    for attributes, describe in _DESCRIBED:
        if all(hasattr(module, name) for name in attributes):
            return describe(module)
    return ""


def settings_of_operation(kind: str, given: Iterable[Tensor], result: Tensor | None, weights: Iterable[str]) -> str:
    """An operation's settings.

    Args:
        kind: Its name.
        given: The tensors that it reads and that depend on the input.
        result: The first tensor that it gives.
        weights: Names of the parameters that it reads, without their module's path.
    """
    given, named = list(given), ", ".join(weights)
    if kind == "scaled_dot_product_attention" and len(given) >= 3 and given[0].ndim == 4:
        query, key = given[0], given[1]
        return f"{_plural(query.shape[1], 'head')} of {query.shape[3]}, {query.shape[2]} x {key.shape[2]} places"
    if kind in WEIGHTED and named and result is not None:
        return f"{given[0].shape[-1]} to {result.shape[-1]}, {named}"
    return named


def _convolution(module: Any) -> str:
    said = [_by(module.kernel_size), f"{module.in_channels} to {module.out_channels}"]
    if set(_listed(module.stride)) != {1}:
        said.append(f"stride {_one(module.stride)}")
    if set(_listed(module.dilation)) != {1}:
        said.append(f"dilation {_one(module.dilation)}")
    if module.groups > 1:
        said.append(f"{module.groups} groups")
    return ", ".join(said)


def _pool(module: Any) -> str:
    stride = module.stride or module.kernel_size
    return f"{_by(module.kernel_size)}, stride {_one(stride)}"


def _heads(module: Any) -> str:
    heads = module.heads if hasattr(module, "heads") else module.num_heads
    return _plural(heads, "head") if isinstance(heads, int) else ""


# Attributes that tell what a module is, and its words; the first that fits counts.
_DESCRIBED: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("in_channels", "out_channels", "kernel_size", "stride", "groups"), _convolution),
    (("in_features", "out_features"), lambda m: f"{m.in_features} to {m.out_features}"),
    (("num_embeddings", "embedding_dim"), lambda m: f"{m.num_embeddings} by {m.embedding_dim}"),
    (("num_groups", "num_channels"), lambda m: f"{m.num_channels} channels in {m.num_groups} groups"),
    (("num_features", "running_mean"), lambda m: f"{m.num_features} channels"),
    (("normalized_shape",), lambda m: " x ".join(map(str, m.normalized_shape))),
    (("kernel_size", "stride", "padding"), _pool),
    (("output_size",), lambda m: f"to {_by(m.output_size)}"),
    (("input_size", "hidden_size", "num_layers"), lambda m: f"{m.input_size} to {m.hidden_size}"),
    (("heads",), _heads),
    (("num_heads",), _heads),
)


def _by(size: Any) -> str:
    """3, or (3, 3), as "3x3"; a None of adaptive pooling stays as it is given."""
    sides = _listed(size)
    sides = sides * 2 if isinstance(size, int) else sides
    return "x".join("any" if side is None else str(side) for side in sides)


def _one(size: Any) -> str:
    sides = _listed(size)
    return str(sides[0]) if len(set(sides)) == 1 else _by(size)


def _listed(size: Any) -> list:
    return list(size) if isinstance(size, tuple | list) else [size]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
