"""A supervised model's own head, asked about the data's classes."""

import numpy as np
import pytest

from visavis.evaluate.classifier import own_classifier
from visavis.evaluate.scores import NotMeasurable

WEIGHT = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
BIAS = np.array([0.0, 0.0, 0.0])


def test_only_the_datas_classes_compete():
    # The head's third class would win with the score 10; among cat (ln 3) and dog (0) the odds are 3 : 1.
    image = np.array([[np.log(3), 0.0]])
    probabilities = own_classifier(image, WEIGHT, BIAS, ["Cat", "Dog", "other"], ["dog", "cat"])
    assert probabilities == pytest.approx(np.array([[0.25, 0.75]]))


def test_the_bias_counts():
    bias = np.array([0.0, np.log(9), 0.0])
    probabilities = own_classifier(np.zeros((1, 2)), WEIGHT, bias, ["cat", "dog", "other"], ["cat", "dog"])
    assert probabilities == pytest.approx(np.array([[0.1, 0.9]]))


def test_unknown_classes_are_named():
    with pytest.raises(NotMeasurable, match=r"knows 1 of the 5 classes; it lacks a, b, c and others"):
        own_classifier(np.zeros((1, 2)), WEIGHT, BIAS, ["cat", "dog", "other"], ["a", "b", "c", "cat", "d"])
