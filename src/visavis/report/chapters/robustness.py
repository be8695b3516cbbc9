"""What corruptions cost: accuracy against severity, and each corruption's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.curves import curves
from visavis.report.tables import LONGEST_TABLE, leading_first

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

MEAN = "mean"
SUMMARY = {
    "error": "Mean error",
    "increase": "above clean",
    "ce": "mCE",
    "relative_ce": "relative mCE",
}


def robustness(tables: ReportTables) -> dict[str, Any]:
    """The curves and the errors by corruption under the headline's measure, and the means of all measures."""
    errors, severities = tables.chapters["corruption_error"], tables.chapters["robustness_severity"]
    first, *others = leading_first(tables.results, errors)
    means: dict[tuple[str, str], dict[str, Any]] = {}
    by_corruption: dict[str, dict[str, Any]] = {}
    row: Any
    for row in errors.itertuples(index=False):
        if row.corruption == MEAN:
            means.setdefault((row.measure, row.model), {})[row.metric] = row
        elif row.measure == first and row.metric == "error":
            by_corruption.setdefault(row.corruption, {})[row.model] = row
    own = severities[severities["measure"] == first]
    pairs = tables.chapters["robustness_pairs"]
    shown = pairs[pairs["measure"] == first]
    return {
        "chart": curves(own, x="severity", titles=("Severity, 0 being the unchanged image", "Right answers")),
        "measure": first,
        "measures": [first, *others],
        "models": list(dict.fromkeys(own["model"])),
        "means": means,
        "summary": SUMMARY,
        "by_corruption": by_corruption,
        "severities": sorted(set(tables.chapters["robustness"]["severity"])),
        "pairs": list(shown.itertuples(index=False))[:LONGEST_TABLE],
        "pairs_left_out": max(0, len(shown) - LONGEST_TABLE),
    }
