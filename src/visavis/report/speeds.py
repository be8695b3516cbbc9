"""What `visavis bench` found, as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from visavis.bench.bench import Bench


def speeds_table(bench: Bench) -> Table:
    """One row a rival; ratios are against the first rival of each kind of work."""
    machine = bench.machine
    title = f"{machine['processor']}, {machine['threads']} threads, float32: {machine['peak_gflops']} GFLOP/s"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("work")
    table.add_column("by")
    for heading in ("items/s", "slowest to fastest", "ratio", "share of peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    for work in bench.work:
        for number, timing in enumerate(work.timings):
            share = ""
            if work.gflops_per_item is not None:
                share = f"{timing.per_second * work.gflops_per_item / float(machine['peak_gflops']):.0%}"
            table.add_row(
                Text(f"{work.model} {work.kind}" if number == 0 else ""),
                Text(timing.name),
                f"{timing.per_second:.1f}",
                f"{timing.slowest:.1f} to {timing.fastest:.1f}",
                "1" if timing.ratio is None else f"{timing.ratio:.2f}",
                share,
            )
    return table
