"""Zero-shot: the softmax of scaled cosines."""

import numpy as np
import pytest

from visavis.evaluate.zero_shot import zero_shot


def test_by_hand():
    # The image (2, 0) has the cosines 1 and 0 with the classes; at the scale ln 4 the odds are 4 : 1.
    probabilities = zero_shot(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.log(4))
    assert probabilities == pytest.approx(np.array([[0.8, 0.2]]))


def test_the_length_of_an_embedding_does_not_matter():
    rng = np.random.default_rng(0)
    images, classes = rng.normal(size=(5, 8)), rng.normal(size=(3, 8))
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    lengths = rng.uniform(0.1, 50, size=(5, 1))
    assert zero_shot(images * lengths, classes, 100.0) == pytest.approx(zero_shot(images, classes, 100.0), abs=1e-6)
