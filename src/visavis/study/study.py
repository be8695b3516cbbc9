"""A study: the tables of a comparison and how they were made, in memory and in a folder. Needs no torch."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.errors import UsageError, VisavisError
from visavis.zoo.files import write_together

if TYPE_CHECKING:
    import pandas as pd

PROTOCOL = "study.json"
TABLES = "tables"  # the folder of what the chapters found


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a comparison found.

    Attributes:
        results: model, view, measure, metric, value, low, high, n, draw_low, draw_high, tie_group.
        pairs: model_a, model_b, view, measure, metric, difference, low, high, n, discordant, p_value, p_adjusted,
            design_effect, margin, p_equivalence, p_equivalence_adjusted, verdict.
        effects: view, measure, effect, description, difference, low, high, n; empty unless the models fill the square.
        predictions: sample, model, view, measure, draw, label, predicted, confidence, rank: one row a decision;
            and group where the data have groups.
        thumbnails: sample, name, label, image (encoded): the pictures that the report shows.
        protocol: Arguments, versions, seeds, hashes, the verdict: what is needed to repeat it.
        chapters: Further tables by name; protocol["chapters"] says which chapter each belongs to.
    """

    results: pd.DataFrame
    pairs: pd.DataFrame
    effects: pd.DataFrame
    predictions: pd.DataFrame
    thumbnails: pd.DataFrame
    protocol: dict[str, Any]
    chapters: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """What to use, why, and how sure."""
        return str(self.protocol["verdict"])

    def save(self, out: Path) -> None:
        """Writes tables and protocol, all or none of them, then the report. Raises VisavisError (disk full)."""
        text = json.dumps(self.protocol, indent=1, ensure_ascii=False)
        writers: dict[str, Callable[[Path], Any]] = {
            # first written, last put in place; a path that is no Unicode becomes JSON's own \\udc.. escapes
            PROTOCOL: lambda path: path.write_text(text, "utf-8", "backslashreplace"),
            "results.csv": lambda path: self.results.to_csv(path, index=False),
            "pairs.csv": lambda path: self.pairs.to_csv(path, index=False),
            "effects.csv": lambda path: self.effects.to_csv(path, index=False),
            "predictions.parquet": lambda path: self.predictions.to_parquet(path, index=False),
            "thumbnails.parquet": lambda path: self.thumbnails.to_parquet(path, index=False),
            **{f"{TABLES}/{name}.csv": partial(_write_csv, table) for name, table in self.chapters.items()},
        }
        try:
            write_together(out, writers)
        except OSError as error:
            raise VisavisError(
                f"Cannot write the study to {str(out)!r}: {error.strerror or error}. Free some space or choose another "
                "--out; the embeddings are kept, so the same command is quick the next time."
            ) from error
        self.report(out / "report.html")

    def report(self, path: str | Path) -> Path:
        """Draws the report as one self-contained HTML file and returns its path."""
        from visavis.report.page import ReportTables, write_report

        tables = ReportTables(
            results=self.results,
            pairs=self.pairs,
            effects=self.effects,
            predictions=self.predictions,
            thumbnails=self.thumbnails,
            protocol=self.protocol,
            chapters=self.chapters,
        )
        return write_report(tables, Path(path))


def load_study(folder: str | Path) -> Study:
    """A study that `Study.save` wrote. Raises UsageError where there is none, VisavisError where a file is damaged."""
    import pandas as pd

    folder = Path(folder)
    if not (folder / PROTOCOL).is_file():
        raise UsageError(
            f"{str(folder)!r} holds no study: it has no {PROTOCOL}. Give the --out of a `visavis compare`."
        )
    try:
        protocol = json.loads((folder / PROTOCOL).read_text("utf-8"))
        tables = [name for chapter in protocol.get("chapters", {}).values() for name in chapter.get("tables", ())]
        return Study(
            results=_read_csv(folder / "results.csv"),
            pairs=_read_csv(folder / "pairs.csv"),
            effects=_read_csv(folder / "effects.csv"),
            predictions=pd.read_parquet(folder / "predictions.parquet"),
            thumbnails=pd.read_parquet(folder / "thumbnails.parquet"),
            protocol=protocol,
            chapters={name: _read_csv(folder / TABLES / f"{_file_name(name)}.csv") for name in tables},
        )
    except (OSError, ValueError) as error:
        raise VisavisError(
            f"The study in {str(folder)!r} is damaged: {error}. Run its `visavis compare` again; embeddings are kept."
        ) from error


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def _file_name(table: object) -> str:
    """A table's name, which may come from a study of others: it must not lead out of the folder."""
    if not isinstance(table, str) or not table.isidentifier():
        raise ValueError(f"{table!r} is no name of a table")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    """A table of ours; an empty cell is a missing number in a column of numbers, elsewhere an empty text."""
    import pandas as pd

    table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False)  # a file called 007 is no number
    for name in table.columns.difference(_TEXTS):
        with contextlib.suppress(ValueError):
            table[name] = pd.to_numeric(table[name].replace("", float("nan")))
    return table


_TEXTS = (
    "model", "model_a", "model_b", "label", "predicted", "sample", "sample_a", "sample_b", "name", "group", "template",
    "class_a", "class_b",
)  # fmt: skip
