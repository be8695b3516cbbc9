"""Probabilities become decisions, confidences and ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visavis.evaluate.scores import NotMeasurable, predictions_from_scores, require_finite, softmax, unit_rows


def test_decisions_by_hand():
    # Three classes. The first image is surest of b, its truth; the second of a, while its truth c is second of three;
    # in the third all are equal: the class named first is predicted, and the truth c stands third.
    probabilities = np.array([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4], [1 / 3, 1 / 3, 1 / 3]])
    table = predictions_from_scores(probabilities, ["a", "b", "c"], ["b", "c", "c"])
    assert table["label"].tolist() == ["b", "c", "c"]
    assert table["predicted"].tolist() == ["b", "a", "a"]
    assert table["confidence"].tolist() == pytest.approx([0.7, 0.5, 1 / 3])
    assert table["rank"].tolist() == [1, 2, 3]


def test_a_class_of_no_probability_stands_last():
    # a and b got no vote. The truth a would stand second by its place in the alphabet; it has earned no place at all.
    table = predictions_from_scores(np.array([[0.0, 0.0, 0.25, 0.75]]), ["a", "b", "c", "d"], ["a"])
    assert table["rank"].tolist() == [4]


def test_of_many_equal_classes_the_first_named_stands_first():
    # Classes 1, 3, ... 99 have twice the probability of 0, 2, ... 98: they hold the ranks 1 to 50, the others the rest.
    classes = [f"class {index}" for index in range(100)]
    table = predictions_from_scores(np.tile([1 / 150, 2 / 150], (100, 50)), classes, classes)
    assert table["predicted"].unique().tolist() == ["class 1"]
    assert table["rank"].tolist()[1::2] == list(range(1, 51))
    assert table["rank"].tolist()[::2] == list(range(51, 101))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_no_numbers_are_refused(value):
    require_finite(np.ones((2, 3), np.float32))
    with pytest.raises(NotMeasurable, match="weights may be damaged"):
        require_finite(np.ones((2, 3), np.float32), np.array([[1.0, value]]))


def test_softmax_by_hand_and_without_overflow():
    # exp(ln 3) : exp(0) is 3 : 1
    assert softmax(np.array([[np.log(3), 0.0]])) == pytest.approx(np.array([[0.75, 0.25]]))
    assert softmax(np.array([[10_000.0, 0.0]])) == pytest.approx(np.array([[1.0, 0.0]]))


def test_rows_of_zeros_stay_zero():
    assert unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx(np.array([[0.0, 0.0], [0.6, 0.8]]))


@given(arrays(np.float64, (6, 4), elements=st.floats(0, 1)), st.permutations(range(6)))
def test_the_order_of_images_does_not_matter(probabilities, order):
    classes, labels = ["a", "b", "c", "d"], ["a", "b", "c", "d", "a", "b"]
    straight = predictions_from_scores(probabilities, classes, labels)
    shuffled = predictions_from_scores(probabilities[order], classes, [labels[index] for index in order])
    assert shuffled.equals(straight.iloc[list(order)].reset_index(drop=True))


@given(arrays(np.float64, (6, 4), elements=st.floats(0, 1)), st.permutations(["w", "x", "y", "z"]))
def test_renaming_classes_changes_nothing(probabilities, names):
    new = dict(zip(["a", "b", "c", "d"], names, strict=True))
    old_labels = ["a", "b", "c", "d", "a", "b"]
    before = predictions_from_scores(probabilities, list(new), old_labels)
    after = predictions_from_scores(probabilities, names, [new[label] for label in old_labels])
    assert after[["confidence", "rank"]].equals(before[["confidence", "rank"]])
    assert after["predicted"].tolist() == before["predicted"].map(new).tolist()


@given(arrays(np.float64, (6, 4), elements=st.floats(0, 1)))
def test_rank_one_means_right(probabilities):
    table = predictions_from_scores(probabilities, ["a", "b", "c", "d"], ["a", "b", "c", "d", "a", "b"])
    assert ((table["rank"] == 1) == (table["label"] == table["predicted"])).all()
    assert table["rank"].between(1, 4).all()
