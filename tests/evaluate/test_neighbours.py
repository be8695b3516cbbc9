"""Neighbours and clusters: scikit-learn's and brute force's answers, chance, and what copies and turns change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from visavis.evaluate import neighbours
from visavis.evaluate.neighbours import clusters, clusters_alike, nearest, shared_neighbours
from visavis.evaluate.scores import NotMeasurable


def cloud(images: int, seed: int = 0, dim: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((images, dim)).astype(np.float32)


def test_neighbours_are_scikit_learns(monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS", 32)  # several blocks, the last one smaller
    vectors = cloud(200) * np.random.default_rng(1).uniform(0.1, 10, (200, 1)).astype(np.float32)
    theirs = NearestNeighbors(n_neighbors=8, metric="cosine").fit(vectors).kneighbors()[1]
    assert (np.sort(nearest(vectors, 7), axis=1) == np.sort(theirs[:, :7], axis=1)).all()


@given(st.integers(0, 2**20), st.integers(1, 9))
def test_a_model_shares_all_neighbours_with_itself_however_it_is_turned(seed, count):
    vectors = cloud(30, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((16, 16)))[0].astype(np.float32)
    own, turned = nearest(vectors, count), nearest(3 * vectors @ turn, count)
    assert shared_neighbours(own, turned).mean() > 0.99


def test_two_clouds_share_what_chance_gives():
    shared = shared_neighbours(nearest(cloud(600, 1), 10), nearest(cloud(600, 2), 10))
    assert shared.mean() == pytest.approx(10 / 599, abs=0.004)  # 3 standard errors of a mean over 600 images


def test_shared_neighbours_are_counted_image_by_image():
    a, b = np.array([[1, 2, 3], [0, 2, 3]]), np.array([[3, 4, 1], [4, 5, 6]])
    assert shared_neighbours(a, b).tolist() == [2 / 3, 0]


def test_clusters_that_are_there_are_found_the_largest_first():
    middles = np.eye(3, 16, dtype=np.float32)
    kinds = np.repeat([0, 1, 2], [10, 40, 25])
    own, distance = clusters(middles[kinds] + 0.05 * cloud(75), 3, seed=0)
    assert np.bincount(own).tolist() == [40, 25, 10]
    assert clusters_alike(own, kinds) == pytest.approx(1)
    assert distance.max() < 0.5


def test_no_more_clusters_than_different_vectors():
    own, distance = clusters(np.repeat(cloud(2), 5, axis=0), 8, seed=0)
    assert set(own) == {0, 1}
    assert distance == pytest.approx(0, abs=1e-3)


def test_vectors_that_are_no_numbers():
    vectors = cloud(20)
    vectors[3] = np.nan
    for ask in (lambda: nearest(vectors, 5), lambda: clusters(vectors, 2, seed=0)):
        with pytest.raises(NotMeasurable):
            ask()
