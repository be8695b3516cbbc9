"""Whether models notice images of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

SCORES = {
    "max_probability": "highest probability",
    "max_logit": "highest logit",
    "energy": "energy",
    "neighbours": "similarity to the tenth nearest training image",
}


def out_of_distribution(tables: ReportTables) -> dict[str, Any]:
    """For each model and score the cells by metric."""
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    row: Any
    for row in tables.chapters["out_of_distribution"].itertuples(index=False):
        cells.setdefault((row.model, row.score), {})[row.metric] = row
    return {"cells": cells, "scores": SCORES}
