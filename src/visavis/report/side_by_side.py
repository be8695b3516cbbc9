"""The page of two studies side by side: their accuracies, what changed between them, and how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from visavis.report import figures, words
from visavis.report.frame import environment, frame
from visavis.report.tables import in_order

if TYPE_CHECKING:
    import pandas as pd


def render_side_by_side(  # each is one part of the page
    headline: str,
    names: Sequence[str],
    verdicts: Sequence[str],
    changed: Sequence[tuple[str, Any, Any]],
    same: Sequence[str],
    accuracies: pd.DataFrame,
) -> str:
    """The page.

    Args:
        headline: One sentence.
        names: Of the two studies, as the reader knows them.
        verdicts: Their first sentences.
        changed: (what, of the first, of the second).
        same: What is equal in both.
        accuracies: With the columns that `study.side_by_side` gives.
    """
    templates = environment()
    models = list(dict.fromkeys([*accuracies["model_a"], *accuracies["model_b"]]))
    numbers = {model: number for number, model in enumerate(models)}
    templates.filters.update(
        colour=lambda model: numbers[model] % figures.COLOURS,
        mark=lambda model: figures.mark_of(numbers[model]),
        with_names=lambda text: words.with_names(text, numbers),
        setting=words.setting,
    )
    templates.globals.update(
        percent=words.percent, points=words.points, difference_mark=figures.difference_mark, marks=figures.MARKS
    )
    tested = accuracies[accuracies["difference"].notna()]
    return templates.get_template("side_by_side.html").render(
        **frame(templates, "script.js"),
        headline=headline,
        names=names,
        verdicts=verdicts,
        changed=changed,
        same=same,
        axis=None if tested.empty else figures.difference_axis(tested),
        groups=_groups(accuracies),
    )


def _groups(accuracies: pd.DataFrame) -> list[tuple[str, str, list[Any]]]:
    """(view, measure, rows), the measures in the order of all pages."""
    views = list(dict.fromkeys(accuracies["view"]))
    return [
        (view, measure, list(own.itertuples(index=False)))
        for view in views
        for measure in in_order(dict.fromkeys(accuracies["measure"]))
        if not (own := accuracies[(accuracies["view"] == view) & (accuracies["measure"] == measure)]).empty
    ]
