"""Everything that the page shows, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.report.anatomy.kinds import explain
from visavis.report.crossings import crossings, halves

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Layer
    from visavis.inspection.sight.records import Sight, Similarity

DIGITS = 4  # significant, of measured values


def to_json(anatomies: Sequence[Anatomy], sights: Sequence[Sight] = (), similarities: Sequence[Similarity] = ()) -> str:
    """Every number and word of the page; arrays are nested lists, what is no number is null.

    The keys are those of the records, and for each model besides: `macs`, `flops`, `text_macs`, `kinds`; and on top
    `crossings`, where one model's cost overtakes another's, `halves`, where attention's two products become half of a
    model's cost, and `computes`, what each kind of layer does.
    """
    return json.dumps(as_data(anatomies, sights, similarities), ensure_ascii=False, allow_nan=False)


def as_data(
    anatomies: Sequence[Anatomy], sights: Sequence[Sight], similarities: Sequence[Similarity]
) -> dict[str, Any]:
    """`to_json` before it is text."""
    return {
        "models": [_anatomy(anatomy) for anatomy in anatomies],
        "crossings": [
            {"a": a, "b": b, "image_size": _plain(size), "macs": _plain(macs)}
            for a, b, size, macs in crossings(anatomies)
        ],
        "halves": [
            {"model": name, "image_size": _plain(size), "macs": _plain(macs)} for name, size, macs in halves(anatomies)
        ],
        "sights": [_plain(sight) for sight in sights],
        "similarities": [_plain(similarity) for similarity in similarities],
        "computes": {kind: _plain(said) for kind in kinds_of(anatomies) if (said := explain(kind))},
    }


def kinds_of(anatomies: Sequence[Anatomy]) -> list[str]:
    """The kinds of layers and operations that occur, sorted."""
    return sorted({layer.kind for anatomy in anatomies for tower in anatomy.towers for layer in tower.root.walk()})


def _anatomy(anatomy: Anatomy) -> dict[str, Any]:
    return {
        "name": anatomy.name,
        "family": anatomy.family,
        "settings": anatomy.settings,
        "params": anatomy.params,
        "macs": anatomy.macs,
        "flops": None if anatomy.macs is None else 2 * anatomy.macs,
        "text_macs": anatomy.text_macs,
        "kinds": dict(anatomy.kinds),
        "rules": _plain(anatomy.rules),
        "growth": _plain(anatomy.growth),
        "notes": _plain(anatomy.notes),
        "towers": [
            {
                "kind": tower.kind,
                "input_shape": list(tower.input_shape),
                "parts": _plain(tower.parts),
                "root": _layer(tower.root),
            }
            for tower in anatomy.towers
        ],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    """A layer without what is empty; `children` are layers again."""
    own = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name != "children"}
    kept = {name: _plain(value) for name, value in own.items() if value not in (None, (), "")}
    return {**kept, "macs": layer.macs, "children": [_layer(child) for child in layer.children]}


def _plain(value: Any) -> Any:  # noqa: PLR0911  # one line a type
    """A record as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
