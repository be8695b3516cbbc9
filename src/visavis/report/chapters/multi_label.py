"""Mean average precision over classes, model by model, their differences, and the classes one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def multi_label(tables: ReportTables) -> dict[str, Any]:
    """A panel for each measure: the best model first; the classes in the order of its average precision."""
    table, pairs = tables.chapters["multi_label"], tables.chapters["multi_label_pairs"]
    classes = tables.chapters["multi_label_classes"].rename(columns={"class": "name"})
    panels = []
    for measure in dict.fromkeys(table["measure"]):
        own = table[table["measure"] == measure].sort_values("value", ascending=False, kind="stable")
        each = classes[classes["measure"] == measure]
        models = list(own["model"])
        best = each[each["model"] == models[0]].sort_values("value", ascending=False, kind="stable")
        cells: dict[str, dict[str, Any]] = {name: {} for name in best["name"]}
        row: Any
        for row in each.itertuples(index=False):
            cells[row.name][row.model] = row
        panels.append(
            {
                "measure": measure,
                "rows": list(own.itertuples(index=False)),
                "pairs": list(pairs[pairs["measure"] == measure].itertuples(index=False)),
                "models": models,
                "classes": cells,
            }
        )
    return {"panels": panels}
