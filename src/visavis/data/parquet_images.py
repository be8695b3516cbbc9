"""Images inside a Parquet table, read where they stand and forgotten again, however many there are.

Listing reads every column but the images. Reading goes forward through the table with a window of some hundred rows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from visavis.data.checking import printable, read_file
from visavis.data.dataset import Skipped
from visavis.data.decoding import UnreadableImage
from visavis.data.listing import Entry, Found, row_entry, row_label
from visavis.data.table import as_text, known_columns, named_label, one_line, place_below, stored_label_names
from visavis.errors import UsageError

ROWS = 32  # read at once
WINDOW = 32  # so many times ROWS are held: more than are decoded at the same time


def parquet_entries(path: Path, stamp: str) -> Callable[[int], Iterator[Found]]:
    """The rows of a table from the given number on, as `Listing.entries`.

    Raises:
        UsageError: The file is no Parquet, or has neither a column path nor image.
    """
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            schema, counts = (
                file.schema_arrow,
                [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)],
            )
    except (pa.ArrowException, OSError) as error:
        shown = printable(str(path))
        raise UsageError(f"The table {shown!r} cannot be read as Parquet: {one_line(error)}.") from error
    names = known_columns(path, schema.names, needed=(("path", "image"),))
    column = next((name for name, meaning in names.items() if meaning == "image"), None)
    embedded = column is not None and not pa.types.is_string(schema.field(column).type)
    images = _Images(path, column, counts) if embedded else None
    wanted = [_without_bytes(schema, name) for name in names if names[name] in ("path", "image", "label")]
    label_names = stored_label_names(schema.metadata or {})

    def entries(start: int) -> Iterator[Found]:
        if start >= sum(counts):
            return
        group, before = _group_of(start, counts)
        with pq.ParquetFile(path, memory_map=True) as file:
            number = before
            columns = [name for name in wanted if name]
            groups = list(range(group, len(counts)))
            for batch in _batches(file, groups, columns, counts):
                for row in batch:
                    number += 1
                    if number <= start:
                        continue
                    said = {names[name]: value for name, value in row.items()}
                    said["label"] = named_label(said.get("label"), label_names)
                    if images is None:
                        yield row_entry(said, number, path.parent)
                    else:
                        yield _entry(said, number, path.parent, stamp, partial(images.row, number - 1))

    return entries


def _batches(
    file: pq.ParquetFile, groups: list[int], columns: list[str], counts: list[int]
) -> Iterator[list[dict[str, Any]]]:
    if columns:
        for batch in file.iter_batches(1024, row_groups=groups, columns=columns):
            yield batch.to_pylist()
    else:  # nothing but images: their number is all that can be known
        for group in groups:
            yield [{} for _ in range(counts[group])]


def _without_bytes(schema: pa.Schema, name: str) -> str:
    """What of a column is read while listing: of Hugging Face's {bytes, path} the path, of bytes nothing."""
    kind = schema.field(name).type
    if pa.types.is_struct(kind):
        return f"{name}.path" if kind.get_field_index("path") >= 0 else ""
    return "" if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else name


def _entry(said: dict[str, Any], number: int, folder: Path, stamp: str, value: Callable[[], Any]) -> Found:
    image = said.get("image")
    named = image.get("path") if isinstance(image, dict) else None
    label = said.get("label")
    if isinstance(label, (list, dict, bytes)):
        return Skipped(
            name=f"row {number}", reason=f"the label is of type {type(label).__name__}, not text or a number"
        )
    place = as_text(named or said.get("path"))

    def read() -> bytes:
        found = value()
        data = found.get("bytes") if isinstance(found, dict) else found
        if data is None and place:
            return read_file(folder / place)
        if not isinstance(data, bytes):
            raise UnreadableImage("no image" if data is None else f"of type {type(data).__name__}, not bytes")
        return data

    shown = place_below(place, folder) if place else f"row {number}"
    return Entry(place=shown, read=read, stamp=f"{stamp}-{number}", label=row_label(said))


class _Images:
    """The image column, for readers on several threads that go forward together."""

    def __init__(self, path: Path, column: str | None, counts: list[int]) -> None:
        self._path, self._column, self._counts = path, column, counts
        self._lock = threading.Lock()
        self._held: deque[tuple[int, list[Any]]] = deque(maxlen=WINDOW)  # the first row of each batch, and its images
        self._batches: Iterator[Any] = iter(())
        self._next = -1  # the first row of the next batch

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it opens the file itself."""
        return type(self), (self._path, self._column, self._counts)

    def row(self, number: int) -> Any:
        """The value in that row; an OSError where the table is damaged there."""
        with self._lock:
            for first, values in self._held:
                if first <= number < first + len(values):
                    return values[number - first]
            group, before = _group_of(number, self._counts)
            if not 0 <= self._next <= number or self._next < before:
                self._open(group, before)
            while True:
                first, values = self._advance()
                if number < first + len(values):
                    return values[number - first]

    def _open(self, group: int, before: int) -> None:
        file = pq.ParquetFile(self._path, memory_map=True)
        groups = list(range(group, len(self._counts)))
        self._batches = file.iter_batches(ROWS, row_groups=groups, columns=[self._column])
        self._held.clear()
        self._next = before

    def _advance(self) -> tuple[int, list[Any]]:
        try:
            values = next(self._batches).column(0).to_pylist()
        except (pa.ArrowException, OSError, StopIteration) as error:
            self._next = -1
            raise OSError(f"the table is damaged there ({one_line(error)})") from error
        self._held.append((self._next, values))
        self._next += len(values)
        return self._held[-1]


def _group_of(row: int, counts: list[int]) -> tuple[int, int]:
    """The row group that a row is in, and how many rows stand before that group."""
    before = 0
    for group, count in enumerate(counts):
        if row < before + count:
            return group, before
        before += count
    raise IndexError(row)
