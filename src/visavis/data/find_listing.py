"""One door for every source of images that is only listed: a folder, a table, an archive, a list of paths."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from visavis.data.checking import printable
from visavis.data.inside import list_inside
from visavis.data.listing import Listing, list_folder, list_samples, list_table
from visavis.data.path_list import list_paths
from visavis.errors import UsageError, did_you_mean

TABLES = (".csv", ".tsv", ".parquet")
_FORMS = (
    "Give a folder, a CSV or Parquet table, a WebDataset (.tar), a .zip, COCO's .json, a folder of save_to_disk, "
    "hf:NAME, - for a list of paths, or an embedded set (emoji)."
)


def find_listing(source: str, stream: BinaryIO | None = None) -> Listing:
    """The images of a source, listed and not read.

    Args:
        source: A path; a pattern or range of tar files; "-" for a list of paths; hf:NAME; an embedded set's name.
        stream: The list of paths; standard input when None.

    Raises:
        UsageError: There is no such source, or it holds nothing that may be an image.
    """
    from visavis.data.emoji import TASKS, read_emoji

    path = Path(source)
    if not source:
        raise UsageError(f"The data path is empty. {_FORMS}")
    if source == "-":
        return list_paths(stream or sys.stdin.buffer)
    if source in TASKS or (source.startswith("emoji") and path.name == source and not path.exists()):
        return list_samples(source, read_emoji(source).samples)
    if inside := list_inside(source):
        return inside
    if path.is_dir():
        return list_folder(path)
    if path.is_file() and path.suffix.lower() in TABLES:
        return list_table(path)
    shown = printable(source)
    if path.exists():
        raise UsageError(f"The data path {shown!r} is neither a folder, a table nor an archive. {_FORMS}")
    beside = sorted(printable(found.name) for found in path.parent.iterdir()) if path.parent.is_dir() else []
    raise UsageError(f"There is no data path {shown!r}. {did_you_mean(path.name, beside)} {_FORMS}")
