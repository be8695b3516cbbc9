"""Whether confidences can be believed: a reliability diagram a model, and the errors with and without a temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.report.tables import leading_first
from visavis.report.words import MINUS, percent

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

METRICS = {
    "ece": "ECE",
    "ece_if_calibrated": "if calibrated",
    "l2_error_debiased": "Debiased error",
    "overconfidence": "Overconfidence",
    "brier": "Brier score",
    "nll": "Log loss",
}
IN_PERCENT = ("ece", "ece_if_calibrated", "l2_error_debiased")


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """A model's diagram, in percent from the left and from the top: accuracy of bins of equal confidence.

    Attributes:
        points: (x, y, what it says), probabilities as they come.
        path, band: Through these points, and around their intervals.
        scaled: Path at the temperature.
    """

    model: str
    points: tuple[tuple[float, float, str], ...]
    path: str
    band: str
    scaled: str


def calibration(tables: ReportTables) -> dict[str, Any]:
    """The diagrams of the headline's measure, and the errors of all measures."""
    errors, bins = tables.chapters["calibration"], tables.chapters["reliability"]
    first, *others = leading_first(tables.results, errors)
    shown = bins[bins["measure"] == first]
    cells: dict[tuple[str, str], dict[tuple[str, str], Any]] = {}
    row: Any
    for row in errors.itertuples(index=False):
        cells.setdefault((row.measure, row.model), {})[row.metric, row.scaling] = row
    gains: dict[tuple[str, str], dict[str, Any]] = {}
    for row in tables.chapters["temperature_gains"].itertuples(index=False):
        gains.setdefault((row.measure, row.model), {})[row.metric] = row
    temperatures: dict[tuple[str, str], list[float]] = {}
    for row in tables.chapters["temperatures"].itertuples(index=False):
        temperatures.setdefault((row.measure, row.model), []).append(row.temperature)
    return {
        "measure": first,
        "measures": [first, *others],
        "diagrams": [_diagram(str(model), own) for model, own in shown.groupby("model", sort=False)],
        "cells": cells,
        "gains": gains,
        "signed": signed,
        "metrics": METRICS,
        "in_percent": IN_PERCENT,
        "temperatures": temperatures,
    }


def signed(difference: float) -> str:
    """A difference of scores with its sign: 0.0319 is "+0.032"."""
    text = f"{difference:+.3f}"
    return "0.000" if float(text) == 0 else text.replace("-", MINUS)


def _diagram(model: str, bins: pd.DataFrame) -> Reliability:
    plain = bins[bins["scaling"] == "none"].sort_values("confidence")
    warm = bins[bins["scaling"] == "temperature"].sort_values("confidence")
    points = tuple((_right(row.confidence), _down(row.accuracy), _says(row)) for row in plain.itertuples(index=False))
    over = [f"{_right(row.confidence)} {_down(row.high)}" for row in plain.itertuples(index=False)]
    under = [f"{_right(row.confidence)} {_down(row.low)}" for row in plain.itertuples(index=False)]
    return Reliability(
        model=model,
        points=points,
        path="M" + "L".join(f"{x} {y}" for x, y, _ in points),
        band=f"M{'L'.join([*over, *reversed(under)])}Z",
        scaled="M"
        + "L".join(f"{_right(row.confidence)} {_down(row.accuracy)}" for row in warm.itertuples(index=False)),
    )


def _right(share: float) -> float:
    return round(100 * share, 2)


def _down(share: float) -> float:
    return round(100 - 100 * share, 2)


def _says(row: Any) -> str:
    return (
        f"{row.n} images, sure to {percent(row.confidence)}%: {percent(row.accuracy)}% right "
        f"[{percent(row.low)}, {percent(row.high)}]"
    )
