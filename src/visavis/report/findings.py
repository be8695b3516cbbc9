"""What the figures show, in one sentence each: their titles. They say no more than the tables do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from visavis.report.tables import ResultGroup, cost_rows, main_run
from visavis.report.words import (
    count,
    effect_name,
    listed,
    measure_name,
    percent,
    plural,
    points,
    significant,
    visible,
)

if TYPE_CHECKING:
    import pandas as pd


def split_verdict(verdict: str) -> tuple[str, list[str]]:
    """The first sentence, and the paragraphs of the rest."""
    first, *rest = re.split(r"(?<=[.!?])\s+", verdict.strip(), maxsplit=1)
    return first, [paragraph for text in rest for paragraph in re.split(r"\n{2,}", text) if paragraph]


def accuracy_title(group: ResultGroup) -> str:
    """Who leads a measure, or that nobody does."""
    rows = [row for row in group.rows if "accuracy" in row.cells]
    name = measure_name(group.measure)
    best = rows[0].cells["accuracy"]
    if len(rows) == 1:
        return f"{name}: {visible(rows[0].model)} gets {percent(best.value)}% right"
    first = [row.model for row in rows if row.tie_group == 1]
    if len(first) == 1:
        return f"{name}: {visible(first[0])} is best, with {percent(best.value)}% right"
    if not first:
        return name
    return f"{name}: {count(best.n)} images cannot tell {visible(first[0])} from {listed(first[1:])}"


def effects_title(effects: pd.DataFrame, view: str, measure: str) -> str:
    """The largest effect that is not compatible with zero, under one view and measure."""
    own = effects[(effects["view"] == view) & (effects["measure"] == measure)]
    clear = own[(own["low"] > 0) | (own["high"] < 0)]
    where = measure_name(measure)
    if clear.empty:
        return f"{where}: neither architecture nor training makes a difference that these images can show"
    largest = clear.loc[clear["difference"].abs().idxmax()]
    name = effect_name(str(largest["effect"]))
    description = visible(largest["description"])
    return f"{name} matters most: {points(largest['difference'])} points for {description}"


def cost_title(results: pd.DataFrame) -> str:
    """The fastest model, where its slowest timing beats all others' quickest."""
    speeds = {model: cells["images_per_s"] for model, cells in cost_rows(results).items() if "images_per_s" in cells}
    if len(speeds) < 2:
        return "Accuracy against cost"
    fastest = max(speeds, key=lambda model: speeds[model].value)
    others = max(cell.high for model, cell in speeds.items() if model != fastest)
    if speeds[fastest].low > others:
        return f"{visible(fastest)} is the fastest here: {significant(speeds[fastest].value)} images a second"
    return "The timings overlap: no model is clearly the fastest here"


def gallery_title(predictions: pd.DataFrame, first: tuple[str, str]) -> str:
    """On how many images some models are right and others wrong, of those that all of them decided."""
    main = main_run(predictions, *first)
    right = (main["predicted"] == main["label"]).groupby([main["sample"], main["model"]]).first().unstack().dropna()
    if right.shape[1] < 2:
        return "No two models decided the same images"
    mixed = int((right.any(axis=1) & ~right.all(axis=1)).sum())
    return f"On {mixed:,} of {plural(len(right), 'image')} some models are right and others wrong"


def views_title(groups: Sequence[ResultGroup]) -> str:
    """Whether one model has the highest accuracy under all views."""
    best = {group.rows[0].model for group in groups}
    if len(best) == 1:
        return f"{visible(next(iter(best)))} scores highest under all {len(groups)} views"
    return "Which model scores highest depends on how the images are shown"
