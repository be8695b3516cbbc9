"""One call for all methods: which fits which network, on which layer, and the map it makes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.errors import UsageError
from visavis.inspection.explain.attention import RecordedAttention
from visavis.inspection.explain.grad_cam import grad_cam, last_map
from visavis.inspection.explain.occlusion import occlusion
from visavis.inspection.explain.records import Method
from visavis.inspection.explain.relevance import relevance
from visavis.inspection.explain.rollout import rollout

LEAST_PLACES = 7  # a side, as ResNets end with at 224 pixels; at 64 they end with 2, which tells little
WINDOW, STRIDE = 3 / 8, 1 / 8  # of the image's side; a window of 1/4 finds less on the embedded models
Score = Callable[[Tensor], Tensor]  # vectors [batch, embed_dim] to [batch]


def relevance_maps(encoder: Encoder, pixels: Tensor, score: Score, method: Method) -> Tensor:
    """A method's maps of some images on its own grid, [batch, rows, columns].

    Args:
        encoder: The network.
        pixels: Preprocessed images [batch, 3, side, side].
        score: What is explained, of the images' vectors; each image's score must depend on its own vector alone.
        method: One that fits the network.

    Raises:
        UsageError: It does not, with those that do.
    """
    check_method(encoder, method)

    def run(images: Tensor) -> Tensor:
        return score(encoder.trace_pixels(images))

    if method == "grad_cam":
        layer = last_map(encoder.trace_pixels, encoder.image_tower, pixels, LEAST_PLACES)
        if layer is None:
            raise _unfit(encoder, method, f"no square feature map of {LEAST_PLACES} x {LEAST_PLACES} places or more")
        return grad_cam(run, layer, pixels)
    if method == "occlusion":
        side = pixels.shape[-1]
        return occlusion(run, pixels, window=round(WINDOW * side), stride=round(STRIDE * side))
    check_tokens(encoder, method, pixels)
    shares = rollout(encoder.trace_pixels, pixels) if method == "rollout" else relevance(run, pixels)[:, 0]
    side = math.isqrt(shares.shape[1] - 1)
    return shares[:, 1:].reshape(len(pixels), side, side)


def spread_over(grids: Tensor, side: int) -> Tensor:
    """Maps [batch, rows, columns] over the pixels of their images, [batch, side, side], by straight lines."""
    return F.interpolate(grids[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def methods_of(encoder: Encoder) -> tuple[Method, ...]:
    """The methods that fit a network's family, the one taken by default first."""
    if encoder.family.endswith("-resnet"):
        return ("grad_cam", "occlusion")
    if encoder.family.endswith("-vit"):
        return ("relevance", "occlusion", "rollout")
    return ("occlusion", "grad_cam")


def check_method(encoder: Encoder, method: str) -> None:
    """Raises UsageError for a method that does not fit the network's family, with those that do."""
    if method not in methods_of(encoder):
        lack = "feature maps of a convolutional network" if method == "grad_cam" else "a Transformer's attention"
        raise _unfit(encoder, method, f"no {lack}")


def check_tokens(encoder: Encoder, method: Method, pixels: Tensor) -> None:
    """Raises UsageError unless attention runs between one class token and a square of patches in all layers."""
    with torch.no_grad(), RecordedAttention() as recorded:
        encoder.trace_pixels(pixels[:1])
    if not recorded.weights:
        raise _unfit(encoder, method, "attention that PyTorch's scaled_dot_product_attention computes")
    for weights in recorded.weights:
        queries, keys = weights.shape[-2:]
        if queries != keys or math.isqrt(keys - 1) ** 2 != keys - 1:
            found = f"layers with {queries} queries and {keys} keys"
            raise _unfit(encoder, method, f"{found} in place of one class token and a square of patches")


def _unfit(encoder: Encoder, method: str, found: str) -> UsageError:
    others = [other for other in methods_of(encoder) if other != method]
    return UsageError(
        f"The method {method!r} does not fit {encoder.name!r}: it has {found}. Use {' or '.join(others)}."
    )
