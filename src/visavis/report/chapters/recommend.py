"""What to use for what: the table that a manager reads, below the lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.words import is_missing

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

SITUATIONS = {
    "accuracy": "The most right answers",
    "no_labels": "No labelled images",
    "few_labels": "A few labelled images a class",
    "labels": "Many labelled images",
    "change": "Images that change",
    "together": "Several models together",
    "speed": "Speed",
    "size": "The smallest",
}
CERTAINTIES = {
    "shown": "shown",
    "open": "can’t tell yet",
    "counted": "counted",
    "alone": "no rival",
    "missing": "not measured",
}
JOINED = " + "
WHOLE_SETS = 3  # names that are written out; of more, their marks do


def recommend(tables: ReportTables) -> dict[str, Any]:
    """A row for each situation; what nobody measured is said in one line below."""
    rows: list[Any] = list(tables.chapters["recommend"].itertuples(index=False))
    missing = [row for row in rows if row.certainty == "missing"]
    return {
        "rows": [row for row in rows if row.certainty != "missing"],
        "missing": [SITUATIONS.get(row.situation, row.situation).lower() for row in missing],
        "situations": SITUATIONS,
        "certainties": CERTAINTIES,
        "names": lambda cell: [] if is_missing(cell) or not cell else str(cell).split(JOINED),
        "whole": WHOLE_SETS,
    }
