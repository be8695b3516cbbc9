"""The published record as one page: accuracy against cost, ImageNet against its shifts, a ranking with its ties.

The page asks the network for nothing, and no number is made here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.report import words
from visavis.report.frame import environment, frame

if TYPE_CHECKING:
    import pandas as pd

HIGHLIGHTED = (
    "RN50.openai",
    "RN101.openai",
    "ViT-B-32.openai",
    "ViT-B-16.openai",
    "ViT-L-14.openai",
    "resnet50.tv_in1k",
)
OWN = ", measured by you"
FAMILIES = ("resnet", "vit", "other")
FAMILY_NAMES = {"resnet": "ResNet", "vit": "ViT", "other": "other"}
TRAININGS = ("ImageNet alone", "labels and more", "language")


@dataclass(frozen=True, kw_only=True)
class AtlasTables:
    """What the page draws.

    Attributes:
        models: model, family, training (of `TRAININGS`), params_m, gmacs, and a column for each accuracy, fractions.
        accuracies: Names of those columns, the baseline first.
        shifts: Those of them that are shifts of the baseline.
        lines: For each shift slope, intercept, n and spread of the line through the models of ImageNet alone.
        robustness: shift, model, accuracy, shifted, expected, effective, low, high.
        ranking: model, mean, low, high, gap, gap_low, gap_high, tie_group.
        differences: model_a, model_b, value, low, high, better: what the page says of pairs.
        n_data_sets: That the ranking's mean is over.
        own: The user's models: as `models`, with low, high, n, study and published; None without studies.
        left_out: Studies of the user's, or models of them, that have no place here, and why.
    """

    models: pd.DataFrame
    accuracies: Sequence[str]
    shifts: Sequence[str]
    lines: Mapping[str, Mapping[str, float]]
    robustness: pd.DataFrame
    ranking: pd.DataFrame
    differences: Sequence[Mapping[str, Any]]
    n_data_sets: int
    own: pd.DataFrame | None = None
    left_out: Sequence[tuple[str, str]] = ()


def render_atlas(tables: AtlasTables) -> str:
    """The page."""
    templates = environment()
    templates.filters.update(colour=lambda name: 0, mark=lambda name: 0)  # of models' marks, which this page has not
    templates.globals.update(percent=words.percent, points=words.points)
    shown = tables.robustness[tables.robustness["model"].isin(HIGHLIGHTED)]
    return templates.get_template("atlas.html").render(
        **frame(templates, "script.js", "atlas.js"),
        record=record_of(tables),
        families=FAMILY_NAMES,
        trainings=TRAININGS,
        accuracies=tables.accuracies,
        lines=tables.lines,
        robustness={shift: rows.to_dict("records") for shift, rows in shown.groupby("shift", sort=False)},
        ranking=tables.ranking.to_dict("records"),
        unseparated=int((tables.ranking["gap_low"] <= 0).sum()),
        differences=tables.differences,
        n_data_sets=tables.n_data_sets,
        own=[] if tables.own is None else tables.own.to_dict("records"),
        left_out=tables.left_out,
        baseline=tables.accuracies[0],
        counts=tables.models["training"].value_counts().to_dict(),
    )


def record_of(tables: AtlasTables) -> dict[str, Any]:
    """What the figure's script reads: a row a model, numbers rounded to what is published, nothing for what is not."""
    import pandas as pd

    columns = ["params_m", "gmacs", *tables.accuracies]
    models, highlighted = tables.models, list(HIGHLIGHTED)
    if tables.own is not None and len(tables.own):
        own = tables.own.assign(model=tables.own["model"] + OWN)
        highlighted += own["model"].to_list()
        models = pd.concat([models, own.reindex(columns=models.columns)], ignore_index=True)
    return {
        "columns": columns,
        "highlighted": highlighted,
        "shifts": list(tables.shifts),
        "baseline": tables.accuracies[0],
        "lines": {shift: [line["slope"], line["intercept"]] for shift, line in tables.lines.items()},
        "models": [
            [name, FAMILIES.index(family), TRAININGS.index(training), *(_rounded(value) for value in values)]
            for name, family, training, *values in models[["model", "family", "training", *columns]].itertuples(
                index=False
            )
        ],
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 5)
