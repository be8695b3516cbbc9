"""A Parquet file of embeddings: one row an image, and in its metadata all that made them.

Columns: id, name, label (null where there is none), embedding (a list of fixed length, float32 or float16). The
metadata's key `visavis` holds a JSON object: model, fingerprint, engine, preprocessing, view, source, counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visavis.data.checking import printable
from visavis.errors import UsageError

KEY = b"visavis"
FORMAT = 1
ROW_GROUP_BYTES = 2**25  # of vectors: what a reader holds at once
_NEEDED = {"model", "fingerprint", "embed_dim", "view"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image with its vector, float32 or float16 [embed_dim]."""

    id: str
    name: str
    label: str | None
    vector: np.ndarray


def schema_of(embed_dim: int, dtype: str, about: dict[str, Any]) -> pa.Schema:
    """The columns, with `about` as metadata."""
    kind = pa.float16() if dtype == "float16" else pa.float32()
    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("embedding", pa.list_(pa.field("element", kind, nullable=False), embed_dim), nullable=False),
    ]
    return pa.schema(columns, metadata={KEY: json.dumps(about, sort_keys=True).encode()})


def table_of(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Rows as a table of that schema."""
    field = schema.field("embedding")
    flat = np.array([row.vector for row in rows], field.type.value_type.to_pandas_dtype()).reshape(-1)
    columns = [
        pa.array([row.id for row in rows], pa.string()),
        pa.array([row.name for row in rows], pa.string()),
        pa.array([row.label for row in rows], pa.string()),
        pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def open_writer(place: Path | BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer that leaves vectors as they are, as they hardly compress, and guards every page with a checksum."""
    return pq.ParquetWriter(
        place,
        schema,
        compression={"id": "zstd", "name": "zstd", "label": "zstd", "embedding.list.element": "none"},
        use_dictionary=["label"],
        write_page_checksum=True,
    )


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Writes tables one after another, joined to row groups of a bounded size. Returns the number of rows."""
    field = schema.field("embedding").type
    most = max(1, ROW_GROUP_BYTES // (field.list_size * field.value_type.bit_width // 8))
    waiting: list[pa.Table] = []
    total = 0
    with open_writer(path, schema) as writer:
        for table in tables:
            waiting.append(table)
            total += table.num_rows
            if sum(part.num_rows for part in waiting) >= most:
                writer.write_table(pa.concat_tables(waiting), row_group_size=2 * most)
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=2 * most)
    return total


def about_of(path: Path) -> dict[str, Any] | None:
    """What a file of embeddings says of itself; None for any other file, and for what cannot be read."""
    try:
        said = json.loads((pq.read_schema(path).metadata or {}).get(KEY, b"null"))
    except (pa.ArrowException, OSError, ValueError):
        return None
    return said if isinstance(said, dict) and said.keys() >= _NEEDED else None


def holds_embeddings(path: Path) -> bool:
    """Whether a path is a Parquet file with a column `embedding` and none of images."""
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False
    return KEY in (pq.read_schema(path).metadata or {}) or ("embedding" in names and not names & {"path", "image"})


def check_embeddings(path: Path) -> dict[str, Any]:
    """What a file of embeddings says of itself.

    Raises:
        UsageError: It says nothing, or lacks a column.
    """
    shown = repr(printable(str(path)))
    about = about_of(path)
    if about is None:
        raise UsageError(
            f"{shown} does not say which model its vectors come from, so nothing can be compared with them. Give a "
            "file that `visavis embed` wrote, or the images themselves."
        )
    schema = pq.read_schema(path)
    missing = {"id", "name", "embedding"} - set(schema.names)
    if missing:
        raise UsageError(
            f"{shown} has no column {' or '.join(sorted(missing))}; its columns are {', '.join(schema.names)}. "
            "Write it again with `visavis embed`."
        )
    kind = schema.field("embedding").type
    if not pa.types.is_fixed_size_list(kind) or kind.list_size != about["embed_dim"]:
        raise UsageError(
            f"The column embedding of {shown} is of type {kind}, not a list of {about['embed_dim']} numbers as its "
            "metadata say. Write it again with `visavis embed`."
        )
    return about
