"""Which method's maps can be believed on which model: a table for a terminal, and one page. No number is made here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from visavis.errors import UsageError
from visavis.report import words
from visavis.report.explanation import METHODS, common_scale, data_uri, overlay, templates, write_bytes
from visavis.report.frame import frame

if TYPE_CHECKING:
    from visavis.inspection.explain.records import Saliency, Trial, Trust

TESTS = {
    "localisation": "share in the right one of two corners; above 0.5",
    "randomisation": "rank correlation with the map of randomised weights; below 0.5",
    "deletion": "area less that of random orders; below 0",
    "insertion": "area less that of random orders; above 0",
}
MARKS = {True: "✓", False: "✗", None: words.NOTHING}
WORDS = {True: "passes", False: "fails", None: "not measured"}
WIDTH, HEIGHT = 160, 90  # units of a plot's field


@dataclass(frozen=True, kw_only=True)
class Plots:
    """One method's curves as points of SVG polylines, by name."""

    trust: Trust
    curves: dict[str, str]
    randomised: str


def trust_table(trusts: Sequence[Trust]) -> Table:
    """For a terminal: below each model its methods, the tests beside one another, the verdicts in words."""
    table = Table(box=SIMPLE_HEAD, padding=0, caption_justify="left")  # so fits 80 columns
    table.add_column("", overflow="fold", min_width=20)
    for test in TESTS:
        table.add_column(test, overflow="fold")
    for number, trust in enumerate(trusts):
        if number == 0 or trusts[number - 1].model != trust.model:
            table.add_row(Text(words.visible(trust.model)))
        cells = [f"{MARKS[trial.passes]} {interval(trial)}".replace(" [", "\n[") for trial in trust.trials]
        table.add_row(f"{MARKS[trust.passes]} {METHODS[trust.method]}", *cells)
    meanings = "; ".join(f"{test}: {meaning}" for test, meaning in TESTS.items())
    table.caption = Text("\n".join([*summary(trusts), "", f"{meanings}."]))
    return table


def check_page_suffix(path: Path) -> None:
    """Raises UsageError where the name does not end in .html."""
    if path.suffix != ".html":
        raise UsageError(f"The check is written as .html, and {path.name!r} does not end so. Name it so.")


def write_check(trusts: Sequence[Trust], path: Path) -> Path:
    """Writes the page, whole or not at all. Raises UsageError for another name, VisavisError where it cannot."""
    check_page_suffix(path)
    return write_bytes(render_check(trusts).encode(), path)


def render_check(trusts: Sequence[Trust]) -> str:
    """One self-contained page: what passes, the numbers, the curves, some of the composed images with their maps."""
    models: dict[str, list[Plots]] = {}
    for trust in trusts:
        models.setdefault(trust.model, []).append(_plots(trust))
    maps = [example.map for trust in trusts for example in trust.examples]
    made = templates()
    made.filters.update(interval=interval, mark=MARKS.__getitem__, in_words=WORDS.__getitem__, picture=data_uri_of)
    return made.get_template("explanation_check.html").render(
        models=models,
        summary=summary(trusts),
        tests=TESTS,
        scale=common_scale(maps) if maps else 1.0,
        veil=lambda example, scale: data_uri(overlay(example.map, scale)),
        width=WIDTH,
        height=HEIGHT,
        **frame(made),
    )


def summary(trusts: Sequence[Trust]) -> list[str]:
    """One sentence a model: which methods pass all tests, and what the others fail."""
    said = []
    for model in dict.fromkeys(trust.model for trust in trusts):
        own = [trust for trust in trusts if trust.model == model]
        passed = [METHODS[trust.method] for trust in own if trust.passes]
        failed = [f"{METHODS[trust.method]} fails {_failed(trust)}" for trust in own if trust.passes is False]
        open_ones = [METHODS[trust.method] for trust in own if trust.passes is None]
        parts = [f"{' and '.join(passed) or 'no method'} passes all tests", *failed]
        parts += [f"{' and '.join(open_ones)} could not be tested in full"] if open_ones else []
        said.append(f"{words.visible(model)}: {'; '.join(parts)}.")
    return said


def _failed(trust: Trust) -> str:
    return " and ".join(trial.test for trial in trust.trials if trial.passes is False)


def interval(trial: Trial) -> str:
    """A value with its interval, as in "0.82 [0.78, 0.85]"."""
    if words.is_missing(trial.value):
        return "not measured"
    shown = f"{trial.value:.2f} [{trial.low:.2f}, {trial.high:.2f}]"
    return shown.replace("-", words.MINUS)


def data_uri_of(example: Saliency) -> str:
    """The picture below a map."""
    return data_uri(Image.fromarray(example.picture))


def _plots(trust: Trust) -> Plots:
    curves = {name: _points(trust.shares, values, 0.0, 1.0) for name, values in trust.curves.items()}
    steps = tuple(np.linspace(0, 1, len(trust.randomised) + 1).tolist())
    return Plots(trust=trust, curves=curves, randomised=_points(steps, (1.0, *trust.randomised), -1.0, 1.0))


def _points(across: Sequence[float], values: Sequence[float], low: float, high: float) -> str:
    def height(value: float) -> float:
        return HEIGHT * (high - value) / (high - low) if math.isfinite(value) else HEIGHT

    return " ".join(f"{WIDTH * x:.1f},{height(value):.1f}" for x, value in zip(across, values, strict=True))
