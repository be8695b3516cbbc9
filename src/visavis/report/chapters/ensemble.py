"""What several models together gain over the best of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.figures import difference_axis, difference_mark
from visavis.report.tables import leading_first

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

METHODS = {
    "average": "average",
    "weighted": "weighted average",
    "per_class": "choice by class",
    "oracle": "oracle",
}


def ensemble(tables: ReportTables) -> dict[str, Any]:
    """Gains under the headline's measure as intervals, and the accuracies under every measure."""
    table, weights = tables.chapters["ensemble"], tables.chapters["ensemble_weights"]
    first, *others = leading_first(tables.results, table)
    honest = table[(table["measure"] == first) & (table["method"] != "oracle")]
    gains = honest[["members", "method", "better", "difference", "difference_low", "difference_high", "n"]]
    gains = gains.rename(columns={"difference_low": "low", "difference_high": "high"})  # as a figure of pairs has them
    axis = difference_axis(gains)
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    row: Any
    for row in table.itertuples(index=False):
        cells.setdefault((row.measure, row.members), {})[row.method] = row
    return {
        "measure": first,
        "measures": [first, *others],
        "axis": axis,
        "panels": [
            (members, [(row, difference_mark(row, axis)) for row in own.itertuples(index=False)])
            for members, own in gains.groupby("members", sort=False)
        ],
        "names": _names(weights),
        "cells": cells,
        "methods": METHODS,
    }


def _names(weights: pd.DataFrame) -> dict[str, list[str]]:
    """The models of each set, the best first."""
    return {str(members): list(dict.fromkeys(own["model"])) for members, own in weights.groupby("members")}
