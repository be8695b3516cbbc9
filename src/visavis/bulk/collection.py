"""Embeddings that can be searched: a Parquet file, and beside the cache's other entries its unit vectors as they are
multiplied, mapped into memory instead of read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visavis.bulk.embed import work_of
from visavis.bulk.embedding_file import check_embeddings, holds_embeddings
from visavis.bulk.job import OnProgress, job_id, run_job, survey
from visavis.data.checking import printable
from visavis.data.find_listing import find_listing
from visavis.data.listing import file_stamp
from visavis.engine.cache import default_cache, keeping, mark_used, model_folder, prune, size_limit
from visavis.engine.encoder import Encoder
from visavis.errors import UsageError, VisavisError
from visavis.evaluate.scores import unit_rows
from visavis.zoo.files import replacing

ROWS = 16_384  # brought to length 1 at once


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What is searched.

    Attributes:
        path: The Parquet file.
        about: What it says of itself.
        vectors: float32 [images, embed_dim], unit rows, mapped from a file.
    """

    path: Path
    about: dict[str, Any]
    vectors: np.ndarray

    def rows(self, numbers: np.ndarray) -> list[dict[str, Any]]:
        """id, name and label of some images."""
        columns = [name for name in ("id", "name", "label") if name in pq.read_schema(self.path).names]
        table = pq.read_table(self.path, columns=columns)
        return [{"label": None, **row} for row in table.take(pa.array(numbers)).to_pylist()]


def open_collection(encoder: Encoder, data: str, on_progress: OnProgress = lambda *_: None) -> Collection:
    """A file that `visavis embed` wrote, or images of any source, which are embedded into the cache first.

    Raises:
        UsageError: The vectors are another model's, or there are no such data.
        VisavisError: Not one image could be embedded, or the cache cannot be written.
    """
    path = Path(data)
    if not holds_embeddings(path):
        path = _embedded(encoder, data, on_progress)
    about = check_embeddings(path)
    if about["fingerprint"] != encoder.fingerprint:
        raise UsageError(
            f"The vectors in {printable(data)!r} are those of {about['model']!r}, and {encoder.name!r} has other "
            "weights or preprocessing: their vectors cannot be compared. Search with the former, or embed the images "
            "again."
        )
    return Collection(path=path, about=about, vectors=_map_vectors(path, about))


def _embedded(encoder: Encoder, data: str, on_progress: OnProgress) -> Path:
    """The cache's file of embeddings of these images as they are now."""
    listing = find_listing(data)
    work = work_of(encoder, listing, "clean", "float32")
    found = survey(listing, on_progress)
    folder = model_folder(default_cache(), "collections", encoder.fingerprint, encoder.name)
    path = folder / f"{job_id(found, work)}.parquet"
    if not path.exists():
        run_job(listing, found, work, path, on_progress)
        prune(default_cache(), size_limit(), keep=path)
    mark_used(path)
    return path


def _map_vectors(path: Path, about: dict[str, Any]) -> np.ndarray:
    """The unit vectors of a file, from the cache; made where they are not there, or the file was written again."""
    with pq.ParquetFile(path) as file:
        shape = file.metadata.num_rows, int(about["embed_dim"])
    key = hashlib.sha256(f"{path.resolve()} {file_stamp(path)}".encode("utf-8", "surrogatepass")).hexdigest()
    kept = model_folder(default_cache(), "vectors", about["fingerprint"], about["model"]) / f"{key}.float32"
    if not kept.exists() or kept.stat().st_size != 4 * shape[0] * shape[1]:
        _write_units(path, kept)
        prune(default_cache(), size_limit(), keep=kept)
    mark_used(kept)
    return np.memmap(kept, np.float32, "r", shape=shape)


def _write_units(path: Path, kept: Path) -> None:
    with keeping(kept.parent), replacing(kept) as temporary, temporary.open("wb") as stream:
        for vectors in _unit_vectors(path):
            stream.write(np.ascontiguousarray(vectors).data)


def _unit_vectors(path: Path) -> Iterator[np.ndarray]:
    """The vectors of a file, float32 [some, embed_dim], each of length 1."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(ROWS, columns=["embedding"]):
                flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
                yield unit_rows(flat.astype(np.float32).reshape(batch.num_rows, -1))
    except (pa.ArrowException, OSError) as error:
        raise VisavisError(
            f"The embeddings in {printable(str(path))!r} are damaged ({error}). Embed the images again."
        ) from error
