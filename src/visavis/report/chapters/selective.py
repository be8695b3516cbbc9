"""What rejecting the least sure images gains: accuracy against the share rejected, and the areas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.curves import curves
from visavis.report.tables import leading_first

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

SHOWN = (0.0, 0.1, 0.3, 0.5)  # shares rejected, in the table


def selective(tables: ReportTables) -> dict[str, Any]:
    """The curves of the headline's measure, and a table of all measures."""
    table, areas = tables.chapters["selective"], tables.chapters["selective_area"]
    first, *others = leading_first(tables.results, table)
    own = table[table["measure"] == first]
    cells: dict[tuple[str, str], dict[Any, Any]] = {}
    row: Any
    for row in table[table["rejected"].isin(SHOWN)].itertuples(index=False):
        cells.setdefault((row.measure, row.model), {})[row.rejected] = row
    for row in areas.itertuples(index=False):
        cells[row.measure, row.model][row.metric] = row
    return {
        "chart": curves(
            own.assign(rejected=(100 * own["rejected"]).round()),
            x="rejected",
            titles=("Images rejected, in percent, the least sure first", "Right among the rest"),
        ),
        "measure": first,
        "measures": [first, *others],
        "shown": SHOWN,
        "cells": cells,
    }
