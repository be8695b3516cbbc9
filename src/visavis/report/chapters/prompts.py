"""Prompts: all together, the best and the worst for each model; and names that read alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

SHOWN = 8  # templates of a model; of more, the best and the worst halves of so many
PAIRS = 5  # names of a model


def prompts(tables: ReportTables) -> dict[str, Any]:
    """For each model its ensemble and its templates, the best first, and the names most alike."""
    models = []
    for model, own in tables.chapters["prompts"].groupby("model", sort=False):
        together = own["template"] == ""
        alone = list(own[~together].sort_values("value", ascending=False, kind="stable").itertuples(index=False))
        models.append(
            {
                "model": model,
                "together": next(own[together].itertuples(index=False)),
                "best": alone[: SHOWN // 2] if len(alone) > SHOWN else alone,
                "worst": alone[-SHOWN // 2 :] if len(alone) > SHOWN else [],
                "left_out": max(0, len(alone) - SHOWN),
            }
        )
    names = tables.chapters["names"]
    return {
        "models": models,
        "alone": any(model["best"] for model in models),
        "names": [row for _, own in names.groupby("model", sort=False) for row in own.head(PAIRS).itertuples()],
    }
