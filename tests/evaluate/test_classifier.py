"""A supervised model's own head, asked about the data's classes."""

import numpy as np
import pytest
import scipy.special

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


def test_outputs_of_one_name_are_one_class():
    # Scores 0, ln 2 and ln 5 have the odds 1 : 2 : 5; the cranes, bird and machine, have 6 of 8.
    weight, bias = np.zeros((3, 2)), np.log([1.0, 2.0, 5.0])
    probabilities = own_classifier(np.zeros((1, 2)), weight, bias, ["crane", "dog", "crane"], ["dog", "Crane"])
    assert probabilities == pytest.approx(np.array([[0.25, 0.75]]))


def test_exact_names_go_before_those_of_other_case():
    # With polish 3 : Polish 1, each class finds its own output.
    bias = np.log([3.0, 1.0, 9.0])
    probabilities = own_classifier(np.zeros((1, 2)), WEIGHT, bias, ["polish", "Polish", "other"], ["Polish", "polish"])
    assert probabilities == pytest.approx(np.array([[0.25, 0.75]]))


def test_agrees_with_all_classes_where_the_data_have_them_all():
    rng = np.random.default_rng(0)
    images, weight, bias = rng.normal(size=(5, 4)), rng.normal(size=(6, 4)), rng.normal(size=6)
    names = [f"class {index}" for index in range(6)]
    expected = scipy.special.softmax(images @ weight.T + bias, axis=1)
    assert own_classifier(images, weight, bias, names, names) == pytest.approx(expected, abs=1e-6)


def test_unknown_classes_are_named():
    with pytest.raises(NotMeasurable, match=r"knows 1 of the 5 classes; it lacks a, b, c and others"):
        own_classifier(np.zeros((1, 2)), WEIGHT, BIAS, ["cat", "dog", "other"], ["a", "b", "c", "cat", "d"])
