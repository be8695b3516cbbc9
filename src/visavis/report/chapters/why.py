"""Where one model is ahead of another: how the lead changes with each trait, and pictures that show what a trait is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.chapters.quality import pictures_of
from visavis.report.curves import curves
from visavis.report.tables import in_order

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

TRAITS = {
    "size": ("Size", "root of the pixels as the image came"),
    "elongation": ("Elongation", "how far width and height differ"),
    "colourfulness": ("Colourfulness", "spread and mean of the opponent colours"),
    "brightness": ("Brightness", "mean of the luminance"),
    "contrast": ("Contrast", "deviation of the luminance"),
    "sharpness": ("Sharpness", "variance of the Laplacian: blur makes it small"),
    "edges": ("Edges", "share of places with steep changes"),
    "fineness": ("Fine structure", "share of the spectrum above a quarter of its highest frequency"),
    "text": ("Text", "characters that can be read in the picture, of lines of two and more"),
    "texture": ("Texture", "slopes that point every way, rather than along an outline"),
}
MOST_CLASSES = 10


def why(tables: ReportTables) -> dict[str, Any]:
    """Traits, the surest first, the first one as a figure; classes; and the ends of each trait in pictures."""
    table, parts = tables.chapters["why"], tables.chapters["why_parts"]
    ordered = table.sort_values("p_adjusted", kind="stable")
    first = ordered.iloc[0]
    own = parts[(parts["model_b"] == first["model_b"]) & (parts["trait"] == first["trait"])]
    classes = parts[parts["trait"] == "class"].sort_values("p_adjusted", kind="stable")
    kept, pictures = pictures_of(tables.thumbnails), tables.chapters["why_pictures"]
    ends: dict[str, dict[str, list[Any]]] = {}
    row: Any
    for row in pictures.itertuples(index=False):
        if row.sample in kept:
            ends.setdefault(row.trait, {}).setdefault(row.end, []).append(kept[row.sample])
    cells: dict[str, dict[str, Any]] = {}
    for row in ordered.itertuples(index=False):
        cells.setdefault(row.trait, {})[row.model_b] = row
    return {
        "chart": _chart(first, own),
        "first": first,
        "share": _share(own),
        "others": in_order(table["model_b"]),
        "cells": cells,
        "classes": list(classes.head(MOST_CLASSES).itertuples(index=False)),
        "more_classes": max(0, len(classes) - MOST_CLASSES),
        "ends": {trait: ends[trait] for trait in in_order(ordered["trait"]) if trait in ends},
        "traits": TRAITS,
    }


def _chart(first: pd.Series, parts: pd.DataFrame) -> Any:
    """Right answers of the two models over the thirds of the trait that tells most, or its two parts."""
    import pandas as pd

    share = _share(parts)
    number = parts["part"].map({"lowest": 1, "middle": 2, "highest": 3 if share == "third" else 2})
    lines = [
        pd.DataFrame({"model": first[name], share: number, "value": parts[column]})
        for name, column in (("model_a", "a"), ("model_b", "b"))
    ]
    title = TRAITS.get(str(first["trait"]), (str(first["trait"]), ""))[0]
    return curves(pd.concat(lines), x=share, titles=(f"{title}: {share}s of the images, the lowest first", "Right"))


def _share(parts: pd.DataFrame) -> str:
    """What the images are cut into: a trait with few values has no middle."""
    return "third" if "middle" in set(parts["part"]) else "part"
