"""Accuracy against the number of labelled images, and what naming is worth in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from visavis.report.curves import curves

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def few_shot(tables: ReportTables) -> dict[str, Any]:
    """A line a model, and two tables."""
    table, worth = tables.chapters["few_shot"], tables.chapters["few_shot_worth"]
    cells: dict[str, dict[Any, Any]] = {}
    row: Any
    for row in table.itertuples(index=False):
        cells.setdefault(row.model, {})[row.shots] = row
    return {
        "chart": curves(table, x="shots", titles=("Labelled images of each class", "Right"), logarithmic=True),
        "shots": sorted(set(table["shots"])),
        "cells": cells,
        "draws": int(table["draws"].iloc[0]),
        "worth": {row.model: row for row in worth.itertuples(index=False)},
        "in_shots": in_shots,
    }


def in_shots(value: float, least: float, most: float) -> str:
    """A number of labelled images, or on which side of those tried it lies."""
    if value == 0:
        return f"under {least:g}"
    return f"over {most:g}" if math.isinf(value) else f"{value:.1f}"
