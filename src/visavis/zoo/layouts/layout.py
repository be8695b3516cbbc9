"""How a peer names and shapes the tensors of a network that visavis has too: the engine; the peers are in tables.py.

The one idea: rules lead from our names to theirs, never back. Our own network says which names there must be; each
is spelled as the peer does, and what the file holds under that spelling is brought to our shape, or ours to theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from visavis.zoo.architectures import Family

Rename = tuple[str, str]  # a regular expression, and what takes the place of its matches


@dataclass(frozen=True, kw_only=True)
class Reshape:
    """Another order of axes, or more of them; nothing is computed, so there and back is exact.

    Attributes:
        axes: Of theirs; None for as many as ours.
        ours: Theirs as ours.
        theirs: Ours as theirs, given the tower's number of heads.
    """

    axes: int | None = None
    ours: Callable[[Tensor], Tensor] = lambda tensor: tensor
    theirs: Callable[[Tensor, int], Tensor] = lambda tensor, heads: tensor


class Sign(NamedTuple):
    """A tensor that tells something.

    Attributes:
        pattern: Found in its name.
        meaning: What it shows.
    """

    pattern: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names and shapes of one peer's checkpoints.

    Attributes:
        name: "openai", "hf-clip", "torchvision-resnet", "hf-resnet", "timm-vit", "torchvision-vit", "hf-vit",
            "npz-vit" or "visavis".
        peers: Who writes such files, as a sentence names them.
        families: What they hold.
        renames: From our names to theirs, each applied in turn; "{q,k,v}" stands for three tensors of theirs, which we
            keep as one, below each other.
        spellings: Other renames with which the same peer writes, in older versions or other containers.
        reshapes: Patterns of our names, and how theirs differ in shape; the first match counts, no match is equality.
        dropped: Tensors of theirs that the network can do without.
        others: Tensors of theirs that show another network, which visavis has not.
        eps: Added to the variance in a supervised ViT's layer norms, where nothing beside the file says otherwise.
    """

    name: str
    peers: str
    families: tuple[Family, ...]
    renames: tuple[Rename, ...] = ()
    spellings: tuple[tuple[Rename, ...], ...] = ()
    reshapes: tuple[tuple[str, Reshape], ...] = ()
    dropped: tuple[Sign, ...] = ()
    others: tuple[Sign, ...] = ()
    eps: float = 1e-6

    def names(self, ours: str) -> tuple[str, ...]:
        """What the peer calls one of our tensors; several names where it keeps it in parts."""
        name = ours
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        before, brace, rest = name.partition("{")
        parts, _, after = rest.partition("}")
        return tuple(f"{before}{part}{after}" for part in parts.split(",")) if brace else (name,)

    def find(self, tensors: Mapping[str, Tensor], ours: str) -> Tensor | None:
        """One of our tensors in a peer's file; None where it is not there or has other axes than it must have."""
        reshape, names = self._reshape(ours), self.names(ours)
        found = [tensors[name] for name in names if name in tensors]
        if len(found) < len(names) or any(reshape.axes not in (None, part.ndim) for part in found):
            return None
        parts = [reshape.ours(part) for part in found]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def split(self, ours: str, tensor: Tensor, heads: int) -> dict[str, Tensor]:
        """One of our tensors as the peer's, by name. A tower has `heads`, where the peer keeps them apart."""
        reshape, names = self._reshape(ours), self.names(ours)
        parts = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
        return {name: reshape.theirs(part, heads) for name, part in zip(names, parts, strict=True)}

    def _reshape(self, ours: str) -> Reshape:
        return next((reshape for pattern, reshape in self.reshapes if re.search(pattern, ours)), SAME)


SAME = Reshape()
TRANSPOSED = Reshape(axes=2, ours=lambda tensor: tensor.T, theirs=lambda tensor, heads: tensor.T)
ONE_AXIS_MORE = Reshape(axes=3, ours=lambda tensor: tensor.squeeze(0), theirs=lambda tensor, heads: tensor[None])
TWO_AXES_MORE = Reshape(
    axes=3, ours=lambda tensor: tensor.squeeze(0).squeeze(0), theirs=lambda tensor, heads: tensor[None, None]
)
# Flax keeps a convolution's channels last, [height, width, in, out], and heads as an axis of their own.
FLAX_CONVOLUTION = Reshape(
    axes=4, ours=lambda tensor: tensor.permute(3, 2, 0, 1), theirs=lambda tensor, heads: tensor.permute(2, 3, 1, 0)
)
FLAX_QKV_KERNEL = Reshape(  # [width, heads, head_width]
    axes=3,
    ours=lambda tensor: tensor.flatten(1).T,
    theirs=lambda tensor, heads: tensor.T.unflatten(1, (heads, -1)),
)
FLAX_QKV_BIAS = Reshape(  # [heads, head_width]
    axes=2,
    ours=lambda tensor: tensor.flatten(),
    theirs=lambda tensor, heads: tensor.unflatten(0, (heads, -1)),
)
FLAX_OUT_KERNEL = Reshape(  # [heads, head_width, width]
    axes=3,
    ours=lambda tensor: tensor.flatten(0, 1).T,
    theirs=lambda tensor, heads: tensor.T.unflatten(0, (heads, -1)),
)
