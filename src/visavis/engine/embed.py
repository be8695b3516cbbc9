"""Embeddings of a data set, computed once and kept in a content-addressed cache on disk.

The unit of work is a chunk of samples. A chunk's key holds everything that changes its vectors: the images, the view,
the weights, the preprocessing and the engine. An interrupted run therefore goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from visavis.data.dataset import Sample
from visavis.data.in_order import in_batches, in_order
from visavis.data.views import View
from visavis.engine.cache import model_folder, read_vectors, write_vectors
from visavis.engine.encoder import Encoder
from visavis.engine.engines.engine import Engine
from visavis.engine.pictures import read_picture

CHUNK = 1024  # samples; small enough to lose little, large enough to cost few files
BATCH_SIZE = 64


def embed(
    encoder: Encoder,
    samples: Sequence[Sample],
    view: View,
    cache: Path,
    progress: Callable[[int], None] = lambda images: None,
) -> np.ndarray:
    """Vectors of all samples under a view, float32 [samples, embed_dim], not normalised; see `embed_features`."""
    return encoder.project(embed_features(encoder, samples, view, cache, progress))


def embed_features(
    encoder: Encoder,
    samples: Sequence[Sample],
    view: View,
    cache: Path,
    progress: Callable[[int], None] = lambda images: None,
) -> np.ndarray:
    """What a CLIP's projection reads of all samples, float32 [samples, feature_dim]; elsewhere their vectors.

    Args:
        encoder: The model.
        samples: What to encode, in order.
        view: The change made to each image first.
        cache: Folder of kept embeddings, made when missing.
        progress: Called with the number of images done since the last call.

    Raises:
        VisavisError: The cache cannot be written, or an image can no longer be read.
    """
    parts = [np.empty((0, encoder.feature_dim), np.float32)]
    engine = _engine(encoder, samples, view)
    for chunk, file in _chunks(encoder, engine, samples, view, cache):
        vectors = read_vectors(file, (len(chunk), encoder.feature_dim))
        if vectors is None:
            vectors = np.concatenate(list(_encode(encoder, engine, chunk, view, progress)))
            write_vectors(file, vectors)
        else:
            progress(len(chunk))
        parts.append(vectors)
    return np.concatenate(parts)


def pixels_of(encoder: Encoder, samples: Sequence[Sample], views: Sequence[View]) -> Iterator[np.ndarray]:
    """The samples under each view in turn, as the encoder wants them before scaling: uint8 [batch, side, side, 3]."""
    for view in views:
        pixels = in_order(partial(_pixels, encoder, view), samples, ahead=2 * BATCH_SIZE)
        yield from map(np.stack, in_batches(pixels, BATCH_SIZE))


def count_missing(encoder: Encoder, samples: Sequence[Sample], view: View, cache: Path) -> int:
    """How many of these samples `embed` would have to encode. Raises VisavisError as it does."""
    chunks = _chunks(encoder, _engine(encoder, samples, view), samples, view, cache)
    return sum(len(chunk) for chunk, file in chunks if not file.is_file())


def _engine(encoder: Encoder, samples: Sequence[Sample], view: View) -> Engine:
    """The engine for so much work; where it has to be chosen, it sees samples from all over."""
    return encoder.open_feature_engine(
        len(samples), lambda most: _stack(encoder, samples[:: -(-len(samples) // most)], view)
    )


def _chunks(
    encoder: Encoder, engine: Engine, samples: Sequence[Sample], view: View, cache: Path
) -> Iterator[tuple[Sequence[Sample], Path]]:
    """The samples in parts, each with the file of the cache that holds its vectors or will."""
    folder = model_folder(cache, "embeddings", encoder.fingerprint, encoder.name)
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK]
        yield chunk, folder / f"{_key(encoder, engine, chunk, view)}.float32"


def _encode(
    encoder: Encoder, engine: Engine, samples: Sequence[Sample], view: View, progress: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """Vectors batch by batch; the next ones are decoded while one is encoded."""
    pixels = in_order(partial(_pixels, encoder, view), samples, ahead=2 * BATCH_SIZE)
    for batch in in_batches(pixels, BATCH_SIZE):
        yield engine.encode(_normalised(encoder, batch)).numpy()  # [batch, feature_dim]
        progress(len(batch))


def _stack(encoder: Encoder, samples: Sequence[Sample], view: View) -> torch.Tensor:
    """Preprocessed, float32 [samples, 3, image_size, image_size]."""
    return _normalised(encoder, list(in_order(partial(_pixels, encoder, view), samples)))


def _pixels(encoder: Encoder, view: View, sample: Sample) -> np.ndarray:
    """uint8 [image_size, image_size, 3]. A view may change a smaller picture otherwise: only the clean one is fast."""
    at_least = encoder.enough_pixels if view.name == "clean" else None
    return encoder.preprocessing.pixels(view.apply(read_picture(sample, at_least)))


def _normalised(encoder: Encoder, pixels: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(encoder.preprocessing.normalise(np.stack(pixels)))


def _key(encoder: Encoder, engine: Engine, samples: Sequence[Sample], view: View) -> str:
    digest = hashlib.sha256(f"features {engine.identity} {encoder.fingerprint} {view.name}".encode())
    for sample in samples:
        digest.update(sample.id.encode())
    return digest.hexdigest()
