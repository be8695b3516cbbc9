"""Decisions that were recorded elsewhere: one row an observer and image, in model-vs-human's columns.

The one idea: a decision is an observer, an image, the truth and the answer; whoever recorded it, the same statistics
apply. On cue-conflict images (Geirhos et al. 2019) the truth is the class of the shape, and the file's name says the
class of the texture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from visavis.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("subj", "object_response", "category", "imagename")
CUE_CONFLICT = re.compile(r"(?:.*_)?((\D+?)\d+-(\D+?)\d+)\.\w+")  # people's names carry their trial in front
RECORDED = Path(__file__).parent / "recorded" / "cue_conflict.csv.gz"
MOST_SHOWN = 3


def read_decisions(paths: Sequence[Path]) -> pd.DataFrame:
    """Decisions of all files in one table.

    Args:
        paths: CSV files with at least the columns `subj`, `object_response`, `category` and `imagename`; one observer
            may have several files, and a file several observers. `RECORDED` in the package is one.

    Returns:
        Columns observer, image, category, answer, texture; texture is empty where the image's name tells of none.

    Raises:
        UsageError: A file that cannot be read or lacks a column, an empty cell (file and row are named), an
            observer who answered an image twice, or an image whose category is not the same everywhere.
    """
    import pandas as pd

    table = pd.concat([_read(path) for path in paths], ignore_index=True)
    names = table["imagename"].map(CUE_CONFLICT.fullmatch)
    conflict = [bool(name) and name[2] == category for name, category in zip(names, table["category"], strict=True)]
    decisions = pd.DataFrame(
        {
            "observer": table["subj"],
            "image": [
                name[1] if fits else raw for name, fits, raw in zip(names, conflict, table["imagename"], strict=True)
            ],
            "category": table["category"],
            "answer": table["object_response"],
            "texture": [name[3] if fits else "" for name, fits in zip(names, conflict, strict=True)],
        }
    )
    _check_once(decisions)
    return decisions


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors, so is what is no Unicode
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"Cannot read decisions from {str(path)!r}: {reason}. A CSV file is wanted.") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        found = ", ".join(map(repr, table.columns[:12]))
        raise UsageError(f"{str(path)!r} lacks the column {missing[0]!r} of recorded decisions. It has {found}.")
    if table.empty:
        raise UsageError(f"{str(path)!r} has the columns of recorded decisions and no row.")
    for name in COLUMNS:
        empty = table.index[table[name].str.strip() == ""]
        if len(empty):
            raise UsageError(
                f"{str(path)!r} has an empty {name!r} in row {empty[0] + 2}. Where an observer gave no answer, write "
                "na: it counts as a wrong one."
            )
    return table.loc[:, list(COLUMNS)]


def _check_once(decisions: pd.DataFrame) -> None:
    twice = decisions[decisions.duplicated(["observer", "image"])]
    if len(twice):
        row = twice.iloc[0]
        raise UsageError(
            f"{row['observer']!r} answered {row['image']!r} more than once. Where sessions repeat images, give each "
            "session an observer's name of its own in the column subj."
        )
    categories = decisions.groupby("image")["category"].nunique()
    if (categories > 1).any():
        image = categories.idxmax()
        said = sorted(decisions.loc[decisions["image"] == image, "category"].unique())[:MOST_SHOWN]
        raise UsageError(
            f"The image {image!r} has different categories: {', '.join(map(repr, said))}. It can have one."
        )
