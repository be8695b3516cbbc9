"""All that is measured on one network: how far it sees, what it learnt first, what its parts are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.engine.pictures import ImageLike, as_picture
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.parts import depths_of
from visavis.inspection.anatomy.tree import Layer
from visavis.inspection.sight.attention_distance import Heard, hear_attention
from visavis.inspection.sight.effective_field import effective_fields, side_of
from visavis.inspection.sight.first_layer import first_layer
from visavis.inspection.sight.positions import position_similarity
from visavis.inspection.sight.records import AttentionMaps, Reach, Sight
from visavis.inspection.sight.taps import Tap, find_taps
from visavis.progress import ShowProgress

ATTENTION_IMAGES = 128  # as in Dosovitskiy et al. 2021, figure 7
FIELD_IMAGES = 16
BATCH_SIZE = 8  # the attention weights of a layer of ViT-L/14 at 336 pixels are 170 MB for so many images
EVERYDAY = ("dog", "cat", "tree", "flower", "car", "house", "person", "mountain")  # texts where no labels are given


def measure(
    encoder: Encoder, samples: Sequence[ImageLike], labels: Sequence[str] | None, progress: ShowProgress
) -> Sight:
    """Everything on one network.

    Args:
        encoder: Any network; what cannot be measured on it is said in `notes`.
        samples: Images; the first is the one whose attention is shown. Of many, some are taken, spread evenly.
        labels: What each is, where that is known of all.
        progress: Called with a stage, how much of it is done, and how much it has.
    """
    root = inspect(encoder).towers[0].root
    chosen = _spread(samples, ATTENTION_IMAGES)
    pictures = [as_picture(image) for image in chosen]
    pixels = torch.stack([encoder.preprocess(picture) for picture in pictures])
    taps = find_taps(encoder, root)
    heard = hear_attention(encoder, pixels.split(BATCH_SIZE))
    progress(f"attention of {encoder.name}", 1, 1)
    fields = effective_fields(encoder, taps, pixels[:: -(-len(pixels) // FIELD_IMAGES)])
    progress(f"fields of {encoder.name}", 1, 1)
    depths = depths_of(root)
    reaches = (*_theoretical(root, taps), *_effective(taps, fields), *_attention(heard, depths))
    return Sight(
        model=encoder.name,
        image_size=encoder.image_size,
        n_images=len(chosen),
        data="",
        reaches=reaches,
        first_layer=first_layer(encoder),
        positions=position_similarity(encoder.image_tower),
        picture=encoder.preprocessing.pixels(pictures[0]),
        attention=_maps(heard),
        norms=_norms(encoder, pixels, labels),
    )


def _spread(samples: Sequence[ImageLike], most: int) -> Sequence[ImageLike]:
    return samples[:: max(1, -(-len(samples) // most))]


def _theoretical(root: Layer, taps: Sequence[Tap]) -> list[Reach]:
    known = {layer.name: layer.receptive_field for layer in root.walk()}
    return [
        Reach(layer=tap.layer, depth=tap.depth, kind="theoretical", pixels=float(field))
        for tap in taps
        if (field := known.get(tap.layer)) is not None
    ]


def _effective(taps: Sequence[Tap], fields: Tensor) -> list[Reach]:
    sides = [side_of(field) for field in fields]
    return [
        Reach(layer=tap.layer, depth=tap.depth, kind="effective", pixels=side)
        for tap, side in zip(taps, sides, strict=True)
        if math.isfinite(side)
    ]


def _attention(heard: Heard, depths: dict[str, float]) -> list[Reach]:
    reaches = []
    for at, one in enumerate(heard.layers):
        if one.distance is not None:
            heads = (one.distance / one.images).tolist()
            reaches.append(
                Reach(
                    layer=one.layer,
                    depth=depths.get(one.layer, (at + 1) / len(heard.layers)),
                    kind="attention",
                    pixels=float(np.mean(heads)),
                    heads=tuple(heads),
                    entropy=tuple((one.entropy / one.images).tolist()),
                )
            )
    return reaches


def _maps(heard: Heard) -> AttentionMaps | None:
    """Those layers whose maps have the shape of the last one, so that they fill one array."""
    if not heard.layers:
        return None
    shape = heard.layers[-1].first.shape
    found = [one for one in heard.layers if one.first.shape == shape]
    maps = torch.stack([one.first for one in found])
    return AttentionMaps(layers=tuple(one.layer for one in found), maps=maps.numpy())


def _norms(encoder: Encoder, pixels: Tensor, labels: Sequence[str] | None) -> dict[str, float]:
    vectors = torch.cat([encoder.encode_pixels(batch) for batch in pixels.split(BATCH_SIZE)])
    norms = {"image embedding": float(vectors.norm(dim=-1).mean())}
    if encoder.has_text:
        texts = encoder.encode_texts([f"a photo of a {name}." for name in sorted(set(labels or EVERYDAY))])
        norms["text embedding"] = float(np.linalg.norm(texts, axis=-1).mean())
    if encoder.logit_scale is not None:
        norms["logit scale"] = encoder.logit_scale
    return norms
