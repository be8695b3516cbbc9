"""Prompts against their ensemble: worked examples and scikit-learn's cosine."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from visavis.evaluate.prompts import answers_by_prompt, nearest_names
from visavis.evaluate.scores import unit_rows


def test_each_template_answers_alone_and_the_mean_answers_last():
    east, north = [1.0, 0.0], [0.0, 1.0]
    good, swapped = [east, north], [north, east]
    prompts = np.array([good, swapped, good], np.float32)  # [templates, classes, embed_dim]
    images = np.array([[5.0, 0.1], [0.1, 0.2]], np.float32)
    assert answers_by_prompt(images, prompts).tolist() == [[0, 1, 0, 0], [1, 0, 1, 1]]


def test_the_names_most_alike_by_brute_force():
    classifier = unit_rows(np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32))
    found = nearest_names(classifier, 4)
    cosine = cosine_similarity(classifier)
    np.fill_diagonal(cosine, -2)
    expected = np.sort(np.triu(cosine, 1)[np.triu_indices(12, 1)])[::-1][:4]
    np.testing.assert_allclose([value for *_, value in found], expected, rtol=1e-5)
    assert all(a < b for a, b, _ in found)
    assert len(nearest_names(classifier[:2], 10)) == 1
