"""How sure the ranking is: a row a model, a column a rank, shaded by how likely the one has the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.tables import headline, in_order

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

SHADES = (0.05, 0.25, 0.5, 0.75)  # where the next darker ground begins
MOST_MODELS = 12  # ranks that fit beside each other


def ranking(tables: ReportTables) -> dict[str, Any]:
    """A matrix and the likeliest orders for each measure under the headline's view, the headline's measure first."""
    ranks, orders = tables.chapters["ranking"], tables.chapters["ranking_orders"]
    view, first = headline(tables.results)
    view = view if view in set(ranks["view"]) else ranks["view"].iloc[0]
    ranks, orders = ranks[ranks["view"] == view], orders[orders["view"] == view]
    measures = sorted(in_order(ranks["measure"]), key=lambda measure: measure != first)
    return {
        "panels": [_panel(ranks[ranks["measure"] == measure], measure) for measure in measures],
        "orders": {measure: list(orders[orders["measure"] == measure].itertuples(index=False)) for measure in measures},
        "shade": shade,
    }


def shade(probability: float) -> int:
    """The ground of a cell: 0, the lightest, to 4."""
    return sum(probability >= edge for edge in SHADES)


def _panel(own: pd.DataFrame, measure: str) -> dict[str, Any]:
    """One measure: its models, the likeliest to come first on top, and their cells by rank."""
    cells = own.pivot(index="model", columns="rank", values="probability")
    cells = cells.sort_values(list(cells.columns), ascending=False)
    return {
        "measure": measure,
        "n": int(own["n"].iloc[0]),
        "ranks": list(cells.columns)[:MOST_MODELS],
        "rows": [(model, row.tolist()[:MOST_MODELS]) for model, row in cells.head(MOST_MODELS).iterrows()],
        "left_out": max(0, len(cells) - MOST_MODELS),
    }
