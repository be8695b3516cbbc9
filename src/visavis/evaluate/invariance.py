"""How far a change moves an image's embedding, against how far different images lie apart."""

from __future__ import annotations

import numpy as np

from visavis.evaluate.scores import unit_rows


def cosines(unchanged: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Cosine of each image's two embeddings, float64 [images], from float32 [images, embed_dim] each."""
    return np.einsum("ij,ij->i", unit_rows(unchanged), unit_rows(changed), dtype=float)


def mean_cosine_between(vectors: np.ndarray) -> float:
    """Mean cosine of every two different images, from float32 [images, embed_dim]; NaN for a single image.

    Embeddings of some models fill a narrow cone, where even unlike images have a cosine of 0.5: similarities of two
    models are comparable only from there on.
    """
    n = len(vectors)
    total = unit_rows(vectors).sum(axis=0, dtype=float)
    return float((total @ total - n) / (n * (n - 1))) if n > 1 else float("nan")
