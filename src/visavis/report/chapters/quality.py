"""What may be wrong with the data, in pictures, and what the accuracies are without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.pictures import data_uri
from visavis.report.tables import headline

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

FINDINGS = {
    "leak": "Pairs of a training and a test image that are nearly the same",
    "copy": "Pairs within one part that are nearly the same",
    "two labels": "Pairs that are nearly the same and bear two labels",
    "label_errors": "Test images whose label all models contradict",
    "outliers": "Images unlike all others",
    "few_train": "Classes with fewer than five training images",
    "few_test": "Classes with fewer than five test images",
    "largest_class": "Images of the largest class",
    "smallest_class": "Images of the smallest class",
}
LEFT_OUT = {
    "nothing": "all test images",
    "duplicates": "without near-duplicates",
    "label_errors": "without doubtful labels",
    "outliers": "without outliers",
    "all": "without any of these",
}


def quality(tables: ReportTables) -> dict[str, Any]:
    """Counts, accuracies side by side, and the pictures that the study kept of each kind of finding."""
    chapter, pictures = tables.chapters, pictures_of(tables.thumbnails)
    effect: dict[str, dict[str, Any]] = {}
    row: Any
    for row in chapter["quality_effect"].itertuples(index=False):
        effect.setdefault(row.model, {})[row.left_out] = row
    pairs: dict[str, list[Any]] = {}
    drawn: set[str] = set()  # an image of many pairs stands for them all in one
    for row in _shown(chapter["duplicates"], pictures):
        if not {row.sample_a, row.sample_b} & drawn:
            drawn |= {row.sample_a, row.sample_b}
            pairs.setdefault(row.relation, []).append((pictures[row.sample_a], pictures[row.sample_b]))
    return {
        "measure": headline(tables.results)[1],
        "counts": list(chapter["quality"].itertuples(index=False)),
        "findings": FINDINGS,
        "effect": effect,
        "left_out": [(name, LEFT_OUT[name]) for name in dict.fromkeys(chapter["quality_effect"]["left_out"])],
        "pairs": pairs,
        "doubted": [(pictures[row.sample], row) for row in _shown(chapter["label_errors"], pictures)],
        "outliers": [(pictures[row.sample], row) for row in _shown(chapter["outliers"], pictures)],
    }


def pictures_of(thumbnails: pd.DataFrame) -> dict[str, Any]:
    """For each sample its name, label and the picture as a data: URI."""
    return {
        str(row.sample): {"name": row.name, "label": row.label, "uri": data_uri(row.image)}
        for row in thumbnails.itertuples(index=False)
    }


def _shown(table: pd.DataFrame, pictures: dict[str, Any]) -> list[Any]:
    """The rows of which the study kept all pictures."""
    samples = [name for name in ("sample", "sample_a", "sample_b") if name in table]
    return [row for row in table.itertuples(index=False) if all(getattr(row, name) in pictures for name in samples)]
