"""Zero-shot: the softmax of scaled cosines."""

import numpy as np
import pytest

from visavis.evaluate.scores import NotMeasurable
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


def test_the_order_of_classes_only_orders_the_columns():
    rng = np.random.default_rng(1)
    images, classes, order = rng.normal(size=(5, 8)), rng.normal(size=(4, 8)), [2, 0, 3, 1]
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    straight = zero_shot(images, classes, 20.0)
    assert zero_shot(images, classes[order], 20.0) == pytest.approx(straight[:, order], abs=1e-6)


def test_a_lower_scale_only_softens():
    rng = np.random.default_rng(2)
    images, classes = rng.normal(size=(20, 8)), np.eye(8)[:4]
    hard, soft = zero_shot(images, classes, 100.0), zero_shot(images, classes, 5.0)
    assert (hard.argmax(axis=1) == soft.argmax(axis=1)).all()
    assert (hard.max(axis=1) > soft.max(axis=1)).all()


def test_vectors_that_are_no_numbers_are_refused():
    with pytest.raises(NotMeasurable):
        zero_shot(np.array([[np.nan, 1.0]]), np.eye(2), 1.0)
