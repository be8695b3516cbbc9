"""Shift between groups: accuracy learnt within each group and learnt elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def shift(tables: ReportTables) -> dict[str, Any]:
    """The rows by group, all groups together last."""
    groups: dict[str, list[Any]] = {}
    row: Any
    for row in tables.chapters["shift"].itertuples(index=False):
        groups.setdefault(row.group, []).append(row)
    return {"groups": groups}
