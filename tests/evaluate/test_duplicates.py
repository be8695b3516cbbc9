"""Near-duplicates: pairs by brute force, hashes of photographs and their copies."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from visavis.evaluate.duplicates import HASH_SIDE, centred, perceptual_hash, similar_pairs, similarity_of

PHOTOGRAPHS = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]


def grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX))


def compressed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=30)
    return Image.open(stream)


def test_pairs_are_those_of_brute_force(monkeypatch):
    monkeypatch.setattr("visavis.evaluate.duplicates.BLOCK", 7)
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    pairs, similarity = similar_pairs(vectors, 0.9, 1000)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = np.triu(unit @ unit.T, 1)
    assert {tuple(pair) for pair in pairs.tolist()} == set(zip(*map(list, np.nonzero(cosine >= 0.9)), strict=True))
    assert (np.diff(similarity) <= 0).all()
    np.testing.assert_allclose(similarity, cosine[pairs[:, 0], pairs[:, 1]])
    np.testing.assert_allclose(similarity_of(vectors, pairs), similarity)
    assert (similar_pairs(vectors, 0.9, 5)[0] == pairs[:5]).all()


def test_no_pairs_is_an_empty_list():
    pairs, similarity = similar_pairs(np.eye(4), 0.5, 10)
    assert (pairs.shape, similarity.shape) == ((0, 2), (0,))


def test_what_all_images_share_makes_no_pair():
    vectors = np.random.default_rng(0).normal(size=(50, 64)) + 5  # cosines near 1, as of many models
    assert len(similar_pairs(vectors, 0.7, 9999)[0]) == 50 * 49 / 2
    assert len(similar_pairs(centred(vectors), 0.7, 9999)[0]) == 0


@pytest.mark.parametrize(
    "change",
    [compressed, lambda image: image.resize((200, 150)), lambda image: image.point(lambda value: 0.8 * value + 20)],
    ids=["compressed", "smaller", "paler"],
)
def test_a_hash_survives_what_a_copy_suffers_and_tells_pictures_apart(change):
    images = [Image.fromarray(photograph) for photograph in PHOTOGRAPHS]
    before = perceptual_hash(np.stack([grey(image) for image in images]))
    after = perceptual_hash(np.stack([grey(change(image)) for image in images]))
    different = np.count_nonzero(before[:, None] != after[None], axis=2)
    assert before.shape == (4, 64)
    assert different.diagonal().max() <= 6
    assert different[~np.eye(4, dtype=bool)].min() > 12
