"""Embeddings that can be searched: a Parquet file, and in the cache the same rows with unit vectors, as they are
multiplied, in an Arrow file that is mapped into memory instead of read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visavis.bulk.embed import work_of
from visavis.bulk.embedding_file import check_embeddings, holds_embeddings, schema_of
from visavis.bulk.job import OnProgress, job_id, run_job, survey
from visavis.bulk.parts import BusyError
from visavis.data.checking import printable
from visavis.data.find_listing import find_listing
from visavis.data.listing import file_stamp
from visavis.engine.cache import default_cache, keeping, mark_used, model_folder, prune, size_limit
from visavis.engine.encoder import Encoder
from visavis.errors import UsageError, VisavisError
from visavis.evaluate.scores import unit_rows
from visavis.zoo.files import replacing

ROWS = 16_384  # brought to length 1 at once, and a block of the search
WAIT_SECONDS = 0.5


class DamagedEmbeddingsError(VisavisError):
    """The Parquet file's checksums say that its vectors are not those that were written."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What is searched.

    Attributes:
        about: What the embeddings say of themselves.
        table: id, name, label, and embedding as float32 of length 1, mapped from a file.
    """

    about: dict[str, Any]
    table: pa.Table

    @property
    def blocks(self) -> list[np.ndarray]:
        """The unit vectors where they lie, float32 [some, embed_dim] each."""
        chunks = self.table["embedding"].chunks
        return [chunk.flatten().to_numpy().reshape(len(chunk), -1) for chunk in chunks]

    def rows(self, numbers: np.ndarray) -> list[dict[str, Any]]:
        """id, name and label of some images."""
        named = self.table.select(["id", "name", "label"])
        return [named.slice(int(number), 1).to_pylist()[0] for number in numbers]


def open_collection(encoder: Encoder, data: str, on_progress: OnProgress = lambda *_: None) -> Collection:
    """A file that `visavis embed` wrote, or images of any source, which are embedded into the cache first.

    Raises:
        UsageError: The vectors are another model's, or there are no such data.
        VisavisError: Not one image could be embedded, a file is damaged, or the cache cannot be written.
    """
    path = Path(data)
    if holds_embeddings(path):
        return _open(encoder, path)
    kept = _embedded(encoder, data, on_progress)
    try:
        return _open(encoder, kept)
    except (DamagedEmbeddingsError, UsageError):  # the cache's own file: made again, nobody has to be told
        kept.unlink(missing_ok=True)
        return _open(encoder, _embedded(encoder, data, on_progress))


def map_collection(path: Path) -> Collection:
    """A file of embeddings as it is searched. Raises UsageError for another file, VisavisError for a damaged one."""
    about = check_embeddings(path)
    return Collection(about=about, table=_map_units(path, about))


def _open(encoder: Encoder, path: Path) -> Collection:
    about = check_embeddings(path)
    if about["fingerprint"] != encoder.fingerprint:
        told = about.get("decode", encoder.decode)
        advice = f" It was written with --decode {told}." if told != encoder.decode else ""
        raise UsageError(
            f"The vectors in {printable(str(path))!r} are those of {about['model']!r}, and {encoder.name!r} has other "
            f"weights, preprocessing or decoding: their vectors cannot be compared.{advice} Search with the former, or "
            "embed the images again."
        )
    return map_collection(path)


def _embedded(encoder: Encoder, data: str, on_progress: OnProgress) -> Path:
    """The cache's file of embeddings of these images as they are now."""
    listing = find_listing(data)
    work = work_of(encoder, listing, "clean", "float32")
    found = survey(listing, on_progress)
    folder = model_folder(default_cache(), "collections", encoder.fingerprint, encoder.name)
    path = folder / f"{job_id(found, work)}.parquet"
    while not path.exists():
        try:
            run_job(listing, found, work, path, on_progress)
            prune(default_cache(), size_limit(), keep=path)
        except BusyError:  # another process embeds the same images: they are there once it is done
            on_progress("waiting for another process", 0, 0)
            time.sleep(WAIT_SECONDS)
    mark_used(path)
    return path


def _map_units(path: Path, about: dict[str, Any]) -> pa.Table:
    """A file's rows with unit vectors, from the cache; made where they are not there, or the file was written again."""
    key = hashlib.sha256(f"{path.resolve()} {file_stamp(path)}".encode("utf-8", "surrogatepass")).hexdigest()
    kept = model_folder(default_cache(), "vectors", about["fingerprint"], about["model"]) / f"{key}.arrow"
    table = _mapped(kept)
    if table is None:
        _write_units(path, kept, about["embed_dim"])
        prune(default_cache(), size_limit(), keep=kept)
        table = _mapped(kept)
        assert table is not None, "it was written just now"
    mark_used(kept)
    return table


def _mapped(kept: Path) -> pa.Table | None:
    """An Arrow file in memory as it lies on disk; None where there is none or it was cut short: its end holds the
    places of everything else.
    """
    try:
        with pa.memory_map(str(kept)) as file:
            return pa.ipc.open_file(file).read_all()
    except (pa.ArrowException, OSError):
        return None


def _write_units(path: Path, kept: Path, embed_dim: int) -> None:
    schema = schema_of(embed_dim, "float32", about={})
    with (
        keeping(kept.parent),
        replacing(kept) as temporary,
        pa.OSFile(str(temporary), "wb") as stream,
        pa.ipc.new_file(stream, schema) as writer,
    ):
        for batch in _unit_rows(path, schema):
            writer.write_batch(batch)


def _unit_rows(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a file, each vector of length 1."""
    vectors, texts = schema.field("embedding"), ("id", "name", "label")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            columns = [name for name in schema.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS, columns=columns):
                flat = batch["embedding"].flatten().to_numpy(zero_copy_only=False).astype(np.float32)
                units = unit_rows(flat.reshape(batch.num_rows, vectors.type.list_size))
                if not np.isfinite(units).all():
                    raise ValueError("a vector is not finite")
                known = {name: batch[name].cast(pa.string()) for name in texts if name in columns}
                known.setdefault("label", pa.nulls(batch.num_rows, pa.string()))
                values = pa.array(units.reshape(-1))
                known["embedding"] = pa.FixedSizeListArray.from_arrays(values, type=vectors.type)
                yield pa.RecordBatch.from_arrays([known[name] for name in schema.names], schema=schema)
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a row without a vector
        raise DamagedEmbeddingsError(
            f"The embeddings in {printable(str(path))!r} are damaged ({error}). Embed the images again."
        ) from error
