"""How a layer's multiply-accumulates come about, as arithmetic on its own sizes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from visavis.report import words

if TYPE_CHECKING:
    from visavis.inspection.anatomy.tree import Layer

_ATTENTION = re.compile(r"(\d+) heads? of (\d+), (\d+) x (\d+) places")  # as `settings_of_operation` says it


def sum_of(layer: Layer) -> str:
    """As in "36,864 weights × 56×56 places = 115,605,504 MACs"; empty where a layer is no single product.

    Weights are used once at every place of the output: of a map's grid, or of a sequence. Attention multiplies every
    query with every key, then every weight with every value, head by head.
    """
    if layer.children or not layer.macs or layer.output_shape is None:
        return ""
    counted = f"{layer.macs:,} MACs"
    if found := _ATTENTION.search(layer.settings):
        heads, width, queries, keys = map(int, found.groups())
        if 2 * heads * width * queries * keys == layer.macs:
            return f"2 products × {queries:,} queries × {keys:,} keys × {heads} heads of {width} = {counted}"
        return ""
    places, said = _places(layer)
    weights, left = divmod(layer.macs, places)
    if left or not 0 < weights <= layer.params:
        return ""
    return f"{weights:,} weights{said} = {counted}"


def _places(layer: Layer) -> tuple[int, str]:
    """How often each weight is used, as a number and in words."""
    shape = layer.output_shape or ()
    if len(shape) == 3:
        return math.prod(shape[1:]), f" × {shape[1]}×{shape[2]} places"
    if len(shape) == 2:
        return shape[0], f" × {words.plural(shape[0], 'token')}"
    return 1, ", each used once"
