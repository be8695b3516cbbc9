"""Embeddings of a data set, computed once and kept in a content-addressed cache on disk.

The unit of work is a chunk of samples. A chunk's key holds everything that changes its vectors: the images, the view,
the weights, the preprocessing and the engine. An interrupted run therefore goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from visavis.data.dataset import Sample
from visavis.data.views import View
from visavis.engine.encoder import Encoder
from visavis.engine.pictures import read_picture
from visavis.errors import VisavisError
from visavis.zoo.files import replacing

CHUNK = 1024  # samples; small enough to lose little, large enough to cost few files
ENGINE = f"torch-{torch.__version__.split('+')[0]}-float32"
BATCH_SIZE = 64
DIGEST_BYTES = 32


def default_cache() -> Path:
    """Where embeddings are kept: $VISAVIS_CACHE, else the user's cache folder."""
    chosen = os.environ.get("VISAVIS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visavis"


def embed(
    encoder: Encoder,
    samples: Sequence[Sample],
    view: View,
    cache: Path,
    progress: Callable[[int], None] = lambda images: None,
) -> np.ndarray:
    """Vectors of all samples under a view, float32 [samples, embed_dim], not normalised.

    Args:
        encoder: The model.
        samples: What to encode, in order.
        view: The change made to each image first.
        cache: Folder of kept embeddings, made when missing.
        progress: Called with the number of images done since the last call.

    Raises:
        VisavisError: The cache cannot be written, or an image can no longer be read.
    """
    parts = [np.empty((0, encoder.embed_dim), np.float32)]
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK]
        file = cache / "embeddings" / f"{_key(encoder, chunk, view)}.float32"
        vectors = _read(file, (len(chunk), encoder.embed_dim))
        if vectors is None:
            vectors = np.concatenate(list(_encode(encoder, chunk, view, progress)))
            _write(file, vectors)
        else:
            progress(len(chunk))
        parts.append(vectors)
    return np.concatenate(parts)


def _encode(
    encoder: Encoder, samples: Sequence[Sample], view: View, progress: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """Vectors batch by batch; the next batch is decoded while the present one is encoded."""

    def prepare(batch: Sequence[Sample]) -> torch.Tensor:
        pixels = [encoder.preprocessing.pixels(view.apply(read_picture(sample))) for sample in batch]
        return torch.from_numpy(encoder.preprocessing.normalise(np.stack(pixels)))

    batches = [samples[start : start + BATCH_SIZE] for start in range(0, len(samples), BATCH_SIZE)]
    with ThreadPoolExecutor(max_workers=1) as pool:
        upcoming = pool.submit(prepare, batches[0])
        for following in [*batches[1:], None]:
            pixels = upcoming.result()
            if following is not None:
                upcoming = pool.submit(prepare, following)
            yield encoder.encode_pixels(pixels).numpy()  # [batch, embed_dim]
            progress(len(pixels))


def _key(encoder: Encoder, samples: Sequence[Sample], view: View) -> str:
    digest = hashlib.sha256(f"{ENGINE} {encoder.fingerprint} {view.name}".encode())
    for sample in samples:
        digest.update(sample.id.encode())
    return digest.hexdigest()


def _read(file: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """A kept chunk, or None where there is none, it was cut short, or a single bit of it has changed."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, values = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if len(values) != 4 * shape[0] * shape[1] or hashlib.sha256(values).digest() != digest:
        return None
    return np.frombuffer(values, "<f4").astype(np.float32).reshape(shape)


def _write(file: Path, vectors: np.ndarray) -> None:
    """SHA-256 of what follows, then the values, row by row, least byte first."""
    values = np.ascontiguousarray(vectors, "<f4").tobytes()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_bytes(hashlib.sha256(values).digest() + values)
    except OSError as error:
        raise VisavisError(
            f"Cannot keep embeddings in {str(file.parent)!r}: {error.strerror or error}. Free some space, or set "
            "VISAVIS_CACHE to another folder; what was encoded before is kept."
        ) from error
