"""What was measured, as pictures and rows for the page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from visavis.report import words
from visavis.report.anatomy import rasters

if TYPE_CHECKING:
    from visavis.inspection.sight.records import Sight, Similarity

MOST_TICKS = 12


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of pixels that the browser scales up; sizes in its own pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Attention maps over one image, as one sheet: layer by layer, the mean over heads, then each head.

    Attributes:
        sheet: All maps.
        picture: The image beneath them.
        layers: Names of the layers.
        heads: How many heads a layer has.
        columns: Of the sheet.
        step: From one map to the next, across and down, in percent of what of the sheet lies outside one map.
        zoom: Size of the sheet for one map, in percent, across and down.
        highest: For each layer, the highest weight of the mean and of each head.
    """

    sheet: Picture
    picture: Picture
    layers: tuple[str, ...]
    heads: int
    columns: int
    step: tuple[float, float]
    zoom: tuple[float, float]
    highest: str


@dataclass(frozen=True, kw_only=True)
class ShownSight:
    """A `Sight` with its pictures."""

    sight: Sight
    first_layer: Picture | None
    positions: Picture | None
    maps: Maps | None


@dataclass(frozen=True, kw_only=True)
class ShownSimilarity:
    """A heat map of CKA with its noise floor; `rows` and `columns` are (place in percent, layer) of the labels."""

    similarity: Similarity
    values: Picture
    floor: Picture
    rows: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]
    highest_floor: float
    data: str


def shown_sights(sights: Sequence[Sight]) -> list[ShownSight]:
    """Every sight with what it shows."""
    return [
        ShownSight(
            sight=sight,
            first_layer=_first_layer(sight),
            positions=None if sight.positions is None else _picture(rasters.position_sheet(sight.positions)),
            maps=_maps(sight),
        )
        for sight in sights
    ]


def shown_similarities(similarities: Sequence[Similarity]) -> list[ShownSimilarity]:
    """Every similarity with what it shows."""
    shown = []
    for one in similarities:
        values, floor = (np.asarray(matrix, dtype=float) for matrix in (one.values, one.floor))
        data = {
            "a": [short_layer(layer) for layer in one.layers_a],
            "b": [short_layer(layer) for layer in one.layers_b],
            "values": _rounded(values),
            "floor": _rounded(floor),
        }
        shown.append(
            ShownSimilarity(
                similarity=one,
                values=_picture(rasters.colours(values)),
                floor=_picture(rasters.colours(floor)),
                rows=_labels(one.layers_a),
                columns=_labels(one.layers_b),
                highest_floor=float(np.nanmax(np.abs(floor))) if np.isfinite(floor).any() else math.nan,
                data=json.dumps(data, ensure_ascii=False),
            )
        )
    return shown


def short_layer(name: str) -> str:
    """A layer's name as readers say it: "block 3" for "transformer.resblocks.3", "block 3 attn" within it."""
    return re.sub(r"^(?:.*\.)?(?:res)?(?:blocks|layers|layer)\.(\d+)(?:\.(.+))?$", _said, words.visible(name))


def _said(found: re.Match[str]) -> str:
    return f"block {found[1]}" + (f" {found[2]}" if found[2] else "")


def _first_layer(sight: Sight) -> Picture | None:
    if sight.first_layer is None or not len(sight.first_layer.pictures):
        return None
    pictures = sight.first_layer.pictures
    return _picture(rasters.sheet(pictures, rasters.columns_for(len(pictures))))


def _maps(sight: Sight) -> Maps | None:
    attention = sight.attention
    if attention is None or not attention.maps.size:
        return None
    maps = np.asarray(attention.maps, dtype=float)
    _, heads, rows, columns = maps.shape
    with_mean = np.concatenate([maps.mean(axis=1, keepdims=True), maps], axis=1)
    across = heads + 1 if len(maps) > 1 else rasters.columns_for(heads + 1)
    sheet = _picture(rasters.attention_sheet(with_mean, across))
    return Maps(
        sheet=sheet,
        picture=_picture(sight.picture),
        layers=tuple(short_layer(layer) for layer in attention.layers),
        heads=heads,
        columns=across,
        step=(_share(columns + 1, sheet.width - columns), _share(rows + 1, sheet.height - rows)),
        zoom=(100 * sheet.width / columns, 100 * sheet.height / rows),
        highest=json.dumps(_rounded(with_mean.max(axis=(2, 3)))),
    )


def _share(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _picture(pixels: np.ndarray) -> Picture:
    return Picture(uri=rasters.png_uri(pixels), width=pixels.shape[1], height=pixels.shape[0])


def _labels(layers: Sequence[str]) -> tuple[tuple[float, str], ...]:
    every = max(1, math.ceil(len(layers) / MOST_TICKS))
    return tuple(
        (round(100 * (at + 0.5) / len(layers), 2), short_layer(layers[at])) for at in range(0, len(layers), every)
    )


def _rounded(matrix: np.ndarray) -> list[list[float | None]]:
    return [[round(value, 3) if math.isfinite(value) else None for value in row] for row in matrix.tolist()]
