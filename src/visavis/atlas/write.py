"""The analysis of recorded decisions as files: two tables and a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.atlas.decisions import read_decisions
from visavis.atlas.observers import compare_observers, describe_observers
from visavis.errors import VisavisError
from visavis.report.decisions import render_decisions
from visavis.study.bootstrap import Resampling
from visavis.zoo.files import write_together

if TYPE_CHECKING:
    import pandas as pd


def analyse_decisions(paths: Sequence[Path], out: Path, seed: int = 0) -> pd.DataFrame:
    """Writes observers.csv, consistency.csv and decisions.html into a folder, all or none; returns the observers.

    Args:
        paths: CSV files of decisions; see `read_decisions`.
        out: The folder, made when missing.
        seed: Of the bootstrap.

    Raises:
        UsageError: A file that holds no decisions.
        VisavisError: The folder cannot be written.
    """
    resampling = Resampling(seed=seed)
    decisions = read_decisions(paths)
    observers, consistency = describe_observers(decisions, resampling), compare_observers(decisions, resampling)
    page = render_decisions(observers, consistency, resampling.level)
    writers: dict[str, Callable[[Path], Any]] = {
        "observers.csv": lambda path: observers.to_csv(path, index=False),
        "consistency.csv": lambda path: consistency.to_csv(path, index=False),
        "decisions.html": lambda path: path.write_text(page, "utf-8"),
    }
    try:
        write_together(out, writers)
    except OSError as error:
        raise VisavisError(
            f"Cannot write the analysis to {str(out)!r}: {error.strerror or error}. Free some space or choose another "
            "--out."
        ) from error
    return observers
