"""What models call images without labels: shares of classes, pairs of models, and the pictures they differ on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.chapters.quality import pictures_of

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

PICTURES = 24
CLASSES = 100  # rows of the longest table


def given_classes(tables: ReportTables) -> dict[str, Any]:
    """Classes in the order of the first model's shares; the surest disagreements first."""
    table, shares = tables.chapters["given_classes"], tables.chapters["given_classes_shares"]
    models = list(dict.fromkeys(shares["model"]))
    first = shares[shares["model"] == models[0]].sort_values("value", ascending=False, kind="stable")
    cells: dict[str, dict[str, Any]] = {name: {} for name in first["class"].head(CLASSES)}
    row: Any
    for row in shares.rename(columns={"class": "name"}).itertuples(index=False):
        if row.name in cells:
            cells[row.name][row.model] = row
    pictures = pictures_of(tables.thumbnails)
    disputed = table[table["disputed"].astype(str) == "True"]
    return {
        "models": models,
        "classes": cells,
        "left_out": max(0, len(first) - CLASSES),
        "pairs": list(tables.chapters["given_classes_pairs"].itertuples(index=False)),
        "n_disputed": int(disputed["sample"].nunique()),
        "disputed": [
            (pictures[sample], list(own.itertuples(index=False)))
            for sample, own in disputed[disputed["sample"].isin(pictures)].groupby("sample", sort=False)
        ][:PICTURES],
    }
