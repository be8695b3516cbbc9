"""Who fails where: a matrix of error consistency, the pairs, and who is right alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.tables import LONGEST_TABLE, headline
from visavis.report.words import is_missing

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

SHADES = (0.2, 0.4, 0.6, 0.8)  # of kappa, where the next darker ground begins


def agreement(tables: ReportTables) -> dict[str, Any]:
    """The pairs under the headline's view and measure; those of the first there are, where it has none."""
    table = tables.chapters["agreement"]
    view, measure = headline(tables.results)
    if not ((table["view"] == view) & (table["measure"] == measure)).any():
        view, measure = table["view"].iloc[0], table["measure"].iloc[0]
    own, alone, together = (
        _of(tables.chapters[name], view, measure) for name in ("agreement", "right_alone", "right_together")
    )
    cells: dict[tuple[str, str], Any] = {}
    pair: Any
    for pair in own:
        cells[pair.model_a, pair.model_b] = cells[pair.model_b, pair.model_a] = pair
    return {
        "measure": measure,
        "rows": own[:LONGEST_TABLE],
        "left_out": max(0, len(own) - LONGEST_TABLE),
        "models": list(dict.fromkeys(model for pair in cells for model in pair)),
        "cells": cells,
        "shade": shade,
        "alone": alone,
        "together": together,
    }


def shade(kappa: float) -> int:
    """The ground of a cell of the matrix: 0, the lightest, to 4."""
    return 0 if is_missing(kappa) else sum(kappa >= edge for edge in SHADES)


def _of(table: pd.DataFrame, view: str, measure: str) -> list[Any]:
    return list(table[(table["view"] == view) & (table["measure"] == measure)].itertuples(index=False))
