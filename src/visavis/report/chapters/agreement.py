"""Who is right alone: the pairs of each measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.tables import headline

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def agreement(tables: ReportTables) -> dict[str, Any]:
    """The pairs under the headline's view and measure."""
    view, measure = headline(tables.results)
    table = tables.chapters["agreement"]
    own = table[(table["view"] == view) & (table["measure"] == measure)]
    return {"measure": measure, "rows": list(own.itertuples(index=False))}
