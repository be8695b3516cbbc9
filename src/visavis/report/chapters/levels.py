"""Local or global: accuracy against how much is taken away, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.curves import Curves, curves
from visavis.report.tables import LONGEST_TABLE, leading_first

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

KINDS = {
    "patch_shuffle": ("Cells a side that change places", "shuffled"),
    "low_pass": ("Cycles over the shorter side, coarser ones kept", "coarse alone"),
    "high_pass": ("Cycles over the shorter side, finer ones kept", "fine alone"),
    "occlusion": ("Percent of the image covered", "covered"),
    "outline": ("", "without texture"),
}


def levels(tables: ReportTables) -> dict[str, Any]:
    """A figure for each kind with levels, accuracies without texture, the shares that are kept, and their pairs."""
    accuracies, kept = tables.chapters["levels"], tables.chapters["levels_kept"]
    first, *others = leading_first(tables.results, kept)
    own = accuracies[accuracies["measure"] == first]
    shares: dict[tuple[str, str], dict[str, Any]] = {}
    outlines: dict[str, dict[str, Any]] = {}
    row: Any
    for row in kept.itertuples(index=False):
        shares.setdefault((row.measure, row.model), {})[row.kind] = row
    for row in own[own["level"].isna()].itertuples(index=False):
        outlines.setdefault(row.kind, {})[row.model] = row
    pairs = tables.chapters["levels_pairs"]
    shown = pairs[(pairs["measure"] == first) & (pairs["p_adjusted"] < 0.05)]
    return {
        "measure": first,
        "measures": [first, *others],
        "models": list(dict.fromkeys(own["model"])),
        "charts": _charts(own),
        "shares": shares,
        "kinds": [(kind, words) for kind, (_, words) in KINDS.items() if kind in set(kept["kind"])],
        "words": {kind: words for kind, (_, words) in KINDS.items()},
        "outlines": outlines,
        "pairs": list(shown.itertuples(index=False))[:LONGEST_TABLE],
        "n_pairs": int((pairs["measure"] == first).sum()),
    }


def _charts(own: pd.DataFrame) -> list[tuple[str, Curves]]:
    """A figure for each kind that has two levels or more, over levels of equal factors where they can be."""
    drawn = []
    for kind, (title, words) in KINDS.items():
        rows = own[(own["kind"] == kind) & own["level"].notna()]
        if rows["level"].nunique() > 1:
            chart = curves(rows, x="level", titles=(title, "Right answers"), logarithmic=rows["level"].min() > 0)
            drawn.append((words, chart))
    return drawn
