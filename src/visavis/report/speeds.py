"""What `visavis bench` found: a table in the terminal, and a plot as an SVG file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from visavis.report.frame import environment

if TYPE_CHECKING:
    from visavis.bench.bench import Bench, Measured
    from visavis.bench.contest import Result
    from visavis.bench.targets import Judged

_ROW, _GAP, _LEFT, _WIDTH = 18, 30, 230, 860  # of the plot, in pixels


def speeds_tables(bench: Bench) -> Group:
    """A table for each kind of work, one row a runner, and under it which targets are met."""
    machine = bench.machine
    head = (
        f"{machine['processor']}, {machine['threads']} threads, {machine['peak_gflops']} GFLOP/s of float32, "
        f"{machine['date']}. Medians of {bench.rounds} interleaved rounds; x peer: over the fastest peer."
    )
    parts: list[Text | Table] = [Text(head)]
    for measured in bench.measured:
        parts += [Text(f"\n{measured.model}: {measured.work}, {measured.unit}", style="bold"), _table(measured)]
        parts += [Text(_verdict(judged)) for judged in measured.judged]
    return Group(*parts)


def _table(measured: Measured) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("by", min_width=28, no_wrap=True)
    for heading in ("median", "spread", "x peer", "of peak", "off by", "cosine"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=7)
    for result in measured.results:
        timing = result.timing
        table.add_row(
            Text(result.name),
            f"{timing.per_second:,.1f}",
            f"±{(timing.fastest - timing.slowest) / timing.per_second / 2:.0%}",
            "" if result.ratio is None else f"{result.ratio:.2f}",
            "" if result.peak_share is None else f"{result.peak_share:.0%}",
            "" if result.difference is None else f"{result.difference:.0e}",
            "" if result.cosine is None else f"{result.cosine:.5f}",
        )
    return table


def _verdict(judged: Judged) -> str:
    target = judged.target
    near = f"{'off by at most' if target.by == 'difference' else 'cosine at least'} {target.limit:g}"
    met = "met" if judged.met else "MISSED"
    return (
        f"target {target.ratio:g}x in {' or '.join(target.kinds)}, {near}: {met}, {judged.ratio:.2f}x by {judged.best}"
    )


def speeds_plot(bench: Bench) -> str:
    """The same as bars, longest for the fastest of its kind of work, with the slowest and the fastest round."""
    groups, top = [], 60
    for measured in bench.measured:
        most = max(result.timing.fastest for result in measured.results)
        bars = []
        for number, result in enumerate(measured.results):
            scale = (_WIDTH - _LEFT - 160) / most
            bars.append(
                {
                    "y": top + _GAP + number * _ROW,
                    "name": result.name,
                    "peer": result.ratio is None,
                    "length": result.timing.per_second * scale,
                    "low": result.timing.slowest * scale,
                    "high": result.timing.fastest * scale,
                    "said": _said(result),
                }
            )
        groups.append({"y": top, "title": f"{measured.model}: {measured.work}, {measured.unit}", "bars": bars})
        top += _GAP + len(bars) * _ROW + 14
    return (
        environment()
        .get_template("speeds.svg")
        .render(groups=groups, machine=bench.machine, rounds=bench.rounds, left=_LEFT, width=_WIDTH, height=top + 10)
    )


def _said(result: Result) -> str:
    ratio = "" if result.ratio is None else f"  {result.ratio:.2f}x"
    return f"{result.timing.per_second:,.1f}{ratio}"
