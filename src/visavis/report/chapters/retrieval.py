"""How well images and texts find each other: a table for each direction, and which models can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.tables import in_order

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

TITLES = {
    "text_to_image": "Texts that find their image",
    "image_to_text": "Images that find a text of theirs",
    "image_to_image": "Images that find another of their class",
}
METRICS = {
    "recall@1": "Recall@1",
    "recall@5": "Recall@5",
    "recall@10": "Recall@10",
    "map": "mAP",
    "median_rank": "Median rank",
}


def retrieval(tables: ReportTables) -> dict[str, Any]:
    """One panel a direction, the best model first."""
    table, pairs = tables.chapters["retrieval"], tables.chapters["retrieval_pairs"]
    panels = []
    for direction in in_order(table["direction"]):
        own = table[table["direction"] == direction]
        firsts = own[own["metric"] == "recall@1"].sort_values("value", ascending=False, kind="stable")
        cells: dict[str, dict[str, Any]] = {name: {} for name in firsts["model"]}
        row: Any
        for row in own.itertuples(index=False):
            cells[row.model][row.metric] = row
        panels.append(
            {
                "title": TITLES.get(str(direction), str(direction)),
                "n": int(own["n"].iloc[0]),
                "gallery": int(own["gallery"].iloc[0]),
                "cells": cells,
                "pairs": list(pairs[pairs["direction"] == direction].itertuples(index=False)),
            }
        )
    cut = tables.chapters.get("retrieval_cut")
    return {
        "panels": panels,
        "metrics": METRICS,
        "cut": [] if cut is None else list(cut.itertuples(index=False)),
    }
