"""One table for all methods: which fit a network, and what makes their maps of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.errors import UsageError, did_you_mean
from visavis.inspection.explain.attention import RecordedAttention
from visavis.inspection.explain.grad_cam import grad_cam, last_map
from visavis.inspection.explain.occlusion import occlusion
from visavis.inspection.explain.records import METHODS, Method
from visavis.inspection.explain.relevance import relevance
from visavis.inspection.explain.rollout import rollout

LEAST_PLACES = 4  # a side: at 64 pixels ResNets end with 2, which finds less on the embedded models; at 224 with 7
WINDOW, STRIDE = 3 / 8, 1 / 8  # of the image's side; a window of 1/4 finds less on the embedded models

Score = Callable[[Tensor], Tensor]  # images' vectors [batch, embed_dim] to one number each, [batch], of its own alone
Mapper = Callable[[Tensor, Score], Tensor]  # preprocessed images [batch, 3, side, side] to [batch, rows, columns]

NEEDS: dict[Method, str] = {
    "grad_cam": f"a convolutional network's feature maps, square and of at least {LEAST_PLACES} x {LEAST_PLACES}",
    "relevance": "attention among a square of patches and one class token, which alone is read in the end, computed by "
    "PyTorch's scaled_dot_product_attention in all layers",
}
NEEDS["rollout"] = NEEDS["relevance"]


def mappers_of(encoder: Encoder) -> dict[Method, Mapper]:
    """The methods that fit a network with what makes their maps, each on its own grid; the default comes first.

    A network of any library may come, so what fits is found out by a run on one grey image.
    """
    grey = torch.zeros(1, 3, encoder.image_size, encoder.image_size)
    mappers: dict[Method, Mapper] = {}
    if not encoder.family.endswith("-vit"):  # whose patch embedding is a convolution with a square map too
        layer = last_map(encoder.trace_pixels, encoder.image_tower, grey, LEAST_PLACES)
        if layer is not None:
            mappers["grad_cam"] = lambda pixels, score: grad_cam(_scored(encoder, score), layer, pixels)
    tokens = not encoder.family.endswith("-resnet") and reads_class_token(encoder, grey)
    if tokens:
        mappers["relevance"] = lambda pixels, score: patches(relevance(_scored(encoder, score), pixels)[:, 0])
    mappers["occlusion"] = partial(_occlude, encoder)
    if tokens:
        mappers["rollout"] = lambda pixels, score: patches(rollout(encoder.trace_pixels, pixels))
    return mappers


def choose_mapper(encoder: Encoder, method: str | None) -> tuple[Method, Mapper]:
    """A method by its name, or the default when None. Raises UsageError for one that does not exist or does not fit."""
    mappers = mappers_of(encoder)
    if method is None:
        return next(iter(mappers.items()))
    known = as_method(method)
    if known in mappers:
        return known, mappers[known]
    raise UsageError(
        f"The method {method!r} does not fit {encoder.name!r} ({encoder.family}): it needs {NEEDS[known]}. "
        f"Use {' or '.join(mappers)}."
    )


def as_method(name: str) -> Method:
    """A method by its name. Raises UsageError where there is none, with the nearest names."""
    for method in METHODS:
        if name == method:
            return method
    raise UsageError(f"There is no method {name!r}. {did_you_mean(name, METHODS)}")


def reads_class_token(encoder: Encoder, pixels: Tensor) -> bool:
    """Whether all layers attend among one class token and a square of patches, and the class token alone is read."""
    with torch.enable_grad(), RecordedAttention() as recorded:
        vectors = encoder.trace_pixels(pixels)  # [1, embed_dim]
    shapes = [weights.shape[-2:] for weights in recorded.weights]
    if not shapes or not all(shape == shapes[0] and _is_square(*shape) for shape in shapes):
        return False
    # Any direction would do but the sum, which a last layer norm makes constant.
    direction = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((vectors * direction).sum(), recorded.weights[-1])
    return not gradient[..., 1:, :].any()


def patches(tokens: Tensor) -> Tensor:
    """The class token left out, patches as they lie in the image: [batch, 1 + patches] to [batch, rows, columns]."""
    side = math.isqrt(tokens.shape[1] - 1)
    return tokens[:, 1:].reshape(len(tokens), side, side)


def spread_over(grids: Tensor, side: int) -> Tensor:
    """Maps [batch, rows, columns] over the pixels of their images, [batch, side, side], by straight lines."""
    return F.interpolate(grids[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def _scored(encoder: Encoder, score: Score) -> Callable[[Tensor], Tensor]:
    return lambda pixels: score(encoder.trace_pixels(pixels))


def _occlude(encoder: Encoder, pixels: Tensor, score: Score) -> Tensor:
    side = pixels.shape[-1]
    return occlusion(_scored(encoder, score), pixels, window=math.ceil(WINDOW * side), stride=math.ceil(STRIDE * side))


def _is_square(queries: int, keys: int) -> bool:
    return queries == keys and math.isqrt(keys - 1) ** 2 == keys - 1
