"""Images that are nearly the same: by what models see in them, and by a hash of their coarse light and dark.

Sources: the hash is that of Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions, section
3.2.1: signs of the lowest frequencies of a cosine transform.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn

from visavis.evaluate.scores import unit_rows

BLOCK = 2048  # images compared with all later ones at once
HASH_SIDE = 32  # pixels of the grey picture
HASH_FREQUENCIES = 8  # each way


def similar_pairs(vectors: np.ndarray, least: float, most_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of images that are alike, the most alike first.

    Args:
        vectors: [images, embed_dim]; see `centred`.
        least: Cosine similarity from which on two are alike.
        most_pairs: Further pairs are left out.

    Returns:
        int [pairs, 2], the lower number first, and the similarities, [pairs].
    """
    unit = unit_rows(vectors)
    pairs, similarities = [np.empty((0, 2), int)], [np.empty(0, np.float32)]
    for start in range(0, len(unit), BLOCK):
        block = unit[start : start + BLOCK] @ unit[start:].T
        rows, columns = np.nonzero(block >= least)
        above = columns > rows
        rows, columns = rows[above], columns[above]
        pairs.append(np.column_stack([rows, columns]) + start)
        similarities.append(block[rows, columns])
    found, alike = np.concatenate(pairs), np.concatenate(similarities)
    order = np.argsort(-alike, kind="stable")[:most_pairs]
    return found[order], alike[order]


def similarity_of(vectors: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Cosine similarity of each pair, [pairs], from vectors [images, embed_dim]."""
    unit = unit_rows(vectors)
    return np.einsum("ij,ij->i", unit[pairs[:, 0]], unit[pairs[:, 1]])


def centred(vectors: np.ndarray) -> np.ndarray:
    """Vectors without what all images share: unlike ones then have a similarity near 0, whatever the model."""
    return unit_rows(vectors) - unit_rows(vectors).mean(axis=0)


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """64 bits of each picture that survive another size, compression or light, bool [images, 64].

    Args:
        grey: Brightness, [images, `HASH_SIDE`, `HASH_SIDE`].
    """
    low = dctn(grey.astype(float), axes=(1, 2))[:, :HASH_FREQUENCIES, :HASH_FREQUENCIES].reshape(len(grey), -1)
    return low > np.median(low[:, 1:], axis=1, keepdims=True)  # without the mean brightness, which dwarfs the rest
