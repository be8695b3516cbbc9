"""What should not matter: accuracies and similarities of embeddings under each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.tables import leading_measure

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def invariance(tables: ReportTables) -> dict[str, Any]:
    """For each view the models' changes of accuracy under the headline's measure, and what their embeddings keep."""
    table, similarity = tables.chapters["invariance"], tables.chapters["invariance_similarity"]
    first = leading_measure(tables.results, table)
    changes: dict[str, dict[str, Any]] = {}
    kept: dict[str, dict[str, Any]] = {}
    row: Any
    for row in table[table["measure"] == first].itertuples(index=False):
        changes.setdefault(row.view, {})[row.model] = row
    for row in similarity.itertuples(index=False):
        kept.setdefault(row.view, {})[row.model] = row
    return {
        "measure": first,
        "changes": changes,
        "kept": kept,
        "deciding": list(dict.fromkeys(table.loc[table["measure"] == first, "model"])),
        "models": list(dict.fromkeys(similarity["model"])),
    }
