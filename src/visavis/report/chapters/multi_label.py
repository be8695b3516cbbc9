"""Mean average precision over classes, model by model, their differences, and the classes one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def multi_label(tables: ReportTables) -> dict[str, Any]:
    """The best model first; the classes in the order of the best model's average precision."""
    table = tables.chapters["multi_label"].sort_values("value", ascending=False, kind="stable")
    classes = tables.chapters["multi_label_classes"]
    models = list(table["model"])
    best = classes[classes["model"] == models[0]].sort_values("value", ascending=False, kind="stable")
    cells: dict[str, dict[str, Any]] = {name: {} for name in best["class"]}
    row: Any
    for row in classes.rename(columns={"class": "name"}).itertuples(index=False):
        cells[row.name][row.model] = row
    return {
        "rows": list(table.itertuples(index=False)),
        "pairs": list(tables.chapters["multi_label_pairs"].itertuples(index=False)),
        "models": models,
        "classes": cells,
    }
