"""How far attention reaches and how widely it is spread, head by head.

The one idea: attention weights are shares, so the distance from a patch to those that it looks at has a mean in pixels.

Source: Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, section 4.5 and figure 7. What goes to the class token
has no distance; a query's weights on patches are scaled to the sum 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.inspection.explain.attention import RecordedAttention
from visavis.inspection.sight.records import AttentionMaps
from visavis.inspection.sight.taps import running, split_tokens


@dataclass(kw_only=True)
class HeardLayer:
    """One attention layer, over all images that have passed.

    Attributes:
        layer: Its name.
        entropy: Sum over images of each head's mean entropy in nats, [heads].
        distance: Sum over images of each head's mean distance in pixels, [heads]; None where queries are no patches.
        images: How many have passed.
        first: Of the first image, the weights of what asks for the whole image on each patch, [heads, rows, columns].
    """

    layer: str
    entropy: Tensor
    distance: Tensor | None
    first: Tensor
    images: int = 0


@dataclass(kw_only=True)
class Heard:
    """All attention of a network.

    Attributes:
        layers: Those that attend among all patches of an image, in order.
        unplaced: Names of others, such as attention within windows.
    """

    layers: list[HeardLayer] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)


def hear_attention(encoder: Encoder, pixels: Tensor, heard: Heard) -> None:
    """Adds distances and entropies of one batch, in all layers that call PyTorch's fused attention.

    Args:
        encoder: The network.
        pixels: Preprocessed images [batch, 3, side, side].
        heard: What earlier batches of the same network gave.
    """
    with running(encoder.image_tower) as stack, _Hearing(heard, len(pixels), pixels.shape[-1], stack):
        encoder.encode_pixels(pixels)


def attention_maps(encoder: Encoder, pixels: Tensor) -> AttentionMaps | None:
    """Where what asks for the whole image looks in one preprocessed image [3, side, side], in layers of one shape.

    That is the class token, or attention pooling's one query, or the mean over all queries where there is neither. Of
    layers with other heads or patches than the last one there are no maps; None without attention.
    """
    heard = Heard()
    hear_attention(encoder, pixels[None], heard)
    if not heard.layers:
        return None
    shape = heard.layers[-1].first.shape
    found = [one for one in heard.layers if one.first.shape == shape]
    return AttentionMaps(
        layers=tuple(one.layer for one in found), maps=torch.stack([one.first for one in found]).numpy()
    )


def heads_of(heard: Heard) -> list[tuple[str, int]]:
    """Names of the attention layers, and how many heads each has."""
    return [(one.layer, len(one.entropy)) for one in heard.layers]


def distances(weights: Tensor, side: float) -> Tensor:
    """Mean distance of each head between a query's patch and those that it attends to, in pixels, [batch, heads].

    Args:
        weights: Of patches on patches, [batch, heads, patches, patches], a square of patches in reading order.
        side: Of the image in pixels.
    """
    _, rows = split_tokens(weights.shape[-1])
    centres = (torch.arange(rows) + 0.5) * (side / rows)
    places = torch.cartesian_prod(centres, centres)  # [patches, 2]
    apart = torch.cdist(places, places)  # [patches, patches]
    reached = torch.einsum("bhqk,qk->bhq", weights, apart.to(weights))
    return (reached / weights.sum(dim=-1).clamp(min=1e-12)).mean(dim=-1)


def entropies(weights: Tensor) -> Tensor:
    """Mean entropy of each head's queries in nats, [batch, heads], of weights [batch, heads, queries, keys].

    From 0, all on one token, to the logarithm of the tokens, the same on all.
    """
    return torch.special.entr(weights).sum(dim=-1).mean(dim=-1)


class _Hearing(RecordedAttention):
    """Measures the weights of each call and keeps none, as those of a large network fill gigabytes."""

    def __init__(self, heard: Heard, images: int, side: int, stack: list[str]) -> None:
        super().__init__()
        self.heard, self.images, self.side, self.stack = heard, images, side, stack
        self.calls = 0

    def keep(self, weights: Tensor) -> None:
        layer = self.stack[-1] if self.stack else ""
        batch, heads, queries, keys = weights.shape
        prefix, rows = split_tokens(keys)
        if batch != self.images or queries not in (1, keys):
            if layer not in self.heard.unplaced:
                self.heard.unplaced.append(layer)
            return
        if self.calls == len(self.heard.layers):
            asking = weights[0, :, 0] if prefix or queries == 1 else weights[0].mean(dim=1)  # [heads, keys]
            self.heard.layers.append(
                HeardLayer(
                    layer=layer,
                    entropy=torch.zeros(heads, dtype=torch.float64),
                    distance=torch.zeros(heads, dtype=torch.float64) if queries == keys else None,
                    first=asking[:, prefix:].unflatten(1, (rows, rows)).clone(),
                )
            )
        found = self.heard.layers[self.calls]
        self.calls += 1
        found.images += batch
        found.entropy += entropies(weights).double().sum(dim=0)
        if found.distance is not None:
            found.distance += distances(weights[:, :, prefix:, prefix:], self.side).double().sum(dim=0)
