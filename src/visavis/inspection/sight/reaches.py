"""How far layers see, as rows for a chart: by arithmetic, by gradients, by attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from visavis.inspection.anatomy.parts import depths_of, parts_of
from visavis.inspection.anatomy.tree import Layer
from visavis.inspection.sight.attention_distance import Heard
from visavis.inspection.sight.effective_field import side_of
from visavis.inspection.sight.records import Reach
from visavis.inspection.sight.taps import Tap


def theoretical_reaches(root: Layer, taps: Sequence[Tap]) -> list[Reach]:
    """Receptive fields that arithmetic allows behind the stem and each block, where they are known."""
    known = {layer.name: layer.receptive_field for layer in root.walk()}
    return [
        Reach(layer=tap.layer, depth=tap.depth, kind="theoretical", pixels=float(field))
        for tap in taps
        if (field := known.get(tap.layer)) is not None
    ]


def effective_reaches(taps: Sequence[Tap], fields: Tensor) -> list[Reach]:
    """Sides of effective fields [taps, side, side], where gradients run."""
    sides = [side_of(field) for field in fields]
    return [
        Reach(layer=tap.layer, depth=tap.depth, kind="effective", pixels=side)
        for tap, side in zip(taps, sides, strict=True)
        if math.isfinite(side)
    ]


def attention_reaches(root: Layer, heard: Heard) -> list[Reach]:
    """Mean distances and entropies of the layers in which patches attend to patches.

    A layer that is not in the record of the network has its depth from its rank. Of attention pooling, some networks
    compute the answers to all patches and read one, so it does not count.
    """
    depths = depths_of(root)
    pooling = {
        layer.name
        for part in parts_of(root)
        if part.role == "pooling"
        for name in part.layers
        for layer in root.find(name).walk()
    }
    reaches = []
    for at, one in enumerate(heard.layers):
        if one.distance is not None and one.layer not in pooling:
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
