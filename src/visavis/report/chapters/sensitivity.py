"""Whether the verdict survives other choices: a row a choice, the lead drawn with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def sensitivity(tables: ReportTables) -> dict[str, Any]:
    """The study's own choice first."""
    return {"rows": list(tables.chapters["sensitivity"].itertuples(index=False))}
