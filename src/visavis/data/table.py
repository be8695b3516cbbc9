"""A table of images: CSV with `path,label[,caption][,part][,group]`, or Parquet with these or the images themselves.

A column `labels` has several classes an image, as a list or with semicolons between.
Captions may stand without labels; images and texts are then asked to find each other.
Paths are relative to the table's folder, or absolute. Parquet may instead hold a column `image` of bytes, or of
`{bytes, path}` as Hugging Face data sets do, whose integer labels are turned into their names. An empty label is none.
An image listed several times under one label is one sample with several captions.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from visavis.data.checking import Candidate, Progress, check_samples, printable, shown
from visavis.data.dataset import Dataset, Skipped
from visavis.data.splits import PART_NAMES, parts_by_name
from visavis.errors import UsageError, did_you_mean

_COLUMNS = ("path", "image", "label", "labels", "caption", "captions", "part", "split", "group")

Needed: TypeAlias = tuple[tuple[str, ...], ...]  # of each group of columns one
NEEDED: Needed = (("path", "image"), ("label", "labels", "caption", "captions"))


def read_table(path: Path, progress: Progress | None = None) -> Dataset:
    """The images that a table lists, checked.

    Args:
        path: A .csv, .tsv or .parquet file.
        progress: Called with the images checked so far and their total.

    Raises:
        UsageError: The file cannot be read as such a table, a column is missing, or it has no rows.
    """
    skipped: list[Skipped] = []
    try:
        if path.suffix.lower() == ".parquet":
            rows = list(_parquet_rows(path))
        else:
            found = list(csv_rows(path))
            skipped = [row for row in found if isinstance(row, Skipped)]
            rows = [row for row in found if not isinstance(row, Skipped)]
    except OSError as error:
        raise UsageError(f"The table {shown(path)} cannot be opened: {error.strerror or error}.") from error
    if not rows and not skipped:
        raise UsageError(f"The table {shown(path)} has no rows. Each image needs one, with its path and label.")
    candidates = []
    for candidate in candidates_of(path, rows):
        if isinstance(candidate, Skipped):
            skipped.append(candidate)
        else:
            candidates.append(candidate)
    samples, unreadable = check_samples(candidates, progress)
    return Dataset(name=printable(path.stem), samples=samples, skipped=(*skipped, *unreadable))


def csv_rows(path: Path, needed: Needed = NEEDED, data: bytes | None = None) -> Iterator[dict[str, Any] | Skipped]:
    """Each line's values by the meaning of their columns.

    Args:
        path: The table.
        needed: Of each group of columns one has to be there.
        data: The table's bytes, where they do not stand in a file of their own.

    Raises:
        UsageError: As `read_table`.
    """
    try:
        text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"The table {shown(path)} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}. "
            "Save it again as 'CSV UTF-8'."
        ) from error
    delimiter = _delimiter(text.split("\n", 1)[0])
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = known_columns(path, reader.fieldnames or (), needed)
        for row in reader:
            if None in row:
                too_many = f"more values than columns: quote texts that contain {delimiter!r}"
                yield Skipped(name=f"line {reader.line_num}", reason=too_many)
            else:
                yield {meaning: row[name] for name, meaning in names.items()}
    except csv.Error as error:
        raise UsageError(f"The table {shown(path)} is no CSV after line {reader.line_num}: {error}.") from error


def has_columns(data: bytes, needed: Needed = NEEDED) -> bool:
    """Whether the first line of a CSV names the columns that a table of images needs."""
    header = data.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    names = {name.strip().casefold() for name in next(csv.reader([header], delimiter=_delimiter(header)), [])}
    return all(names & set(wanted) for wanted in needed)


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)  # the first of equals: a comma


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = known_columns(path, file.schema_arrow.names)
            label_names = stored_label_names(file.schema_arrow.metadata or {})
            for batch in file.iter_batches(batch_size=1024, columns=list(names)):
                for row in batch.to_pylist():
                    yield {
                        meaning: named_label(row[name], label_names) if meaning == "label" else row[name]
                        for name, meaning in names.items()
                    }
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UsageError(f"The table {shown(path)} cannot be read as Parquet: {one_line(error)}.") from error


def known_columns(path: Path, found: Sequence[str], needed: Needed = NEEDED) -> dict[str, str]:
    """The table's own name -> which of _COLUMNS it is; case and blanks around do not matter.

    Raises UsageError where of a group in `needed` not one is there.
    """
    names = {name: name.strip().casefold() for name in found if name.strip().casefold() in _COLUMNS}
    for wanted in needed:
        if not set(wanted) & set(names.values()):
            listed = ", ".join(repr(name) for name in found) or "none"
            near = difflib.get_close_matches(wanted[0], found, n=1, cutoff=0.5)
            advice = f"If {near[0]!r} is meant, rename it. " if near else ""
            raise UsageError(
                f"The table {shown(path)} has no column {' or '.join(wanted)}; its columns are {listed}. "
                f"{advice}A table needs path, and label, labels or caption; part (train or test) and group (what "
                "belongs together) are optional."
            )
    return names


def stored_label_names(metadata: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The class names that Hugging Face's `datasets` stores beside integer labels; empty if there are none."""
    try:
        label = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]["label"]
        return tuple(str(name) for name in label["names"])
    except (ValueError, KeyError, TypeError):
        return ()


def named_label(label: Any, label_names: tuple[str, ...]) -> Any:
    known = isinstance(label, int) and 0 <= label < len(label_names)
    return label_names[label] if known else label


def candidates_of(path: Path, rows: Sequence[Mapping[str, Any]]) -> Iterator[Candidate | Skipped]:
    """What each row names, at a place relative to the table's folder. Raises UsageError for a part of no known name."""
    parts = _parts(path, rows)
    for number, row in enumerate(rows, start=1):
        yield _candidate(row, number, path.parent, parts)


def _parts(path: Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What each value of the column `part` or `split` means; the empty one means that nothing is said."""
    names = {as_text(row.get("part") or row.get("split")) for row in rows} - {""}
    for name in sorted(names):
        if name.casefold() not in PART_NAMES:
            raise UsageError(
                f"The table {shown(path)} names a part {name!r}. {did_you_mean(name, PART_NAMES)} "
                "Parts are train and test; an empty field leaves the choice open."
            )
    return {"": "", **parts_by_name(names)}


def _candidate(row: Mapping[str, Any], number: int, folder: Path, parts: Mapping[str, str]) -> Candidate | Skipped:
    image, label = row.get("image"), row.get("label")
    data, named = (image.get("bytes"), image.get("path")) if isinstance(image, Mapping) else (image, None)
    if isinstance(data, str):  # a column of paths that is called image
        data, named = None, data
    place = as_text(named or row.get("path"))
    if data is None and not place:
        return Skipped(name=f"row {number}", reason="no path")
    if data is not None and not isinstance(data, bytes):
        return Skipped(name=f"row {number}", reason=f"the image is of type {type(data).__name__}, not bytes")
    if isinstance(label, (list, dict, bytes)):
        return Skipped(
            name=f"row {number}", reason=f"the label is of type {type(label).__name__}, not text or a number"
        )
    return Candidate(
        place=place_below(place, folder) if data is None else place or f"row {number}",
        path=folder / place if data is None else None,
        data=data,
        label=unicodedata.normalize("NFC", as_text(label)) or None,
        labels=_several(row.get("labels")),
        captions=_captions(row),
        part=parts[as_text(row.get("part") or row.get("split"))],
        group=as_text(row.get("group")),
    )


def _several(value: Any) -> tuple[str, ...] | None:
    """The classes of a list, or of a text with semicolons between; an empty one has none, and None is not known."""
    if value is None:
        return None
    names = value if isinstance(value, list) else str(value).split(";")
    return tuple(sorted({unicodedata.normalize("NFC", as_text(name)) for name in names} - {""}))


def place_below(text: str, folder: Path) -> str:
    """Relative to the table's folder where it lies inside, so that ids do not depend on where that folder is."""
    full = Path(os.path.normpath(folder / text))
    base = Path(os.path.normpath(folder))
    return full.relative_to(base).as_posix() if full.is_relative_to(base) else full.as_posix()


def _captions(row: Mapping[str, Any]) -> tuple[str, ...]:
    values: list[Any] = [row.get("caption")]
    several = row.get("captions")
    values += several if isinstance(several, list) else [several]
    return tuple(dict.fromkeys(text for text in map(as_text, values) if text))


def as_text(value: Any) -> str:
    """A field as text without blanks around it; integers that a missing value turned into 3.0 become 3 again."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
