"""Nearest neighbours, against scikit-learn's and by hand."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from visavis.evaluate import knn as module
from visavis.evaluate.knn import K_GRID, TEMPERATURE, knn
from visavis.evaluate.scores import NotMeasurable


def clusters(rng, classes=4, each=30, width=6, spread=0.6):
    centres = rng.normal(size=(classes, width))
    labels = np.repeat(np.arange(classes), each)
    return (centres[labels] + spread * rng.normal(size=(classes * each, width))).astype(np.float32), labels


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    vectors, labels = clusters(rng)
    names = [f"class {label}" for label in labels]
    train, test = vectors[::2], vectors[1::2]
    probabilities, k = knn(train, names[::2], test, sorted(set(names)))
    # On unit vectors a squared distance d2 is 2 - 2 cosine, so cosine - 1 is -d2 / 2.
    oracle = KNeighborsClassifier(k, weights=lambda distance: np.exp(-(distance**2) / 2 / TEMPERATURE))
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (train, test)]
    expected = oracle.fit(units[0], names[::2]).predict_proba(units[1])
    assert probabilities == pytest.approx(expected, abs=1e-4)


def test_k_is_the_best_when_each_training_image_is_left_out():
    vectors, labels = clusters(np.random.default_rng(5), classes=6, each=40, width=4, spread=1.0)
    names = [f"class {label}" for label in labels]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    right = {}
    for k in [k for k in K_GRID if k < len(units)]:
        oracle = KNeighborsClassifier(k, weights=lambda distance: np.exp(-(distance**2) / 2 / TEMPERATURE))
        kept = [np.delete(np.arange(len(units)), out) for out in range(len(units))]
        answers = [oracle.fit(units[rest], labels[rest]).predict(units[[out]])[0] for out, rest in enumerate(kept)]
        right[k] = (np.array(answers) == labels).sum()
    assert len(set(right.values())) > 1, "the oracle must have a choice"
    best = max(right, key=lambda k: (right[k], -k))
    assert knn(vectors, names, vectors[:2], sorted(set(names)))[1] == best != K_GRID[0]


def test_a_far_training_image_of_a_new_class_changes_nothing():
    # The newcomer is opposite to all: it is among the nearest neither of a test image nor of a training image.
    rng = np.random.default_rng(6)
    train = np.abs(rng.normal(size=(30, 4))).astype(np.float32)
    test = np.abs(rng.normal(size=(5, 4))).astype(np.float32)
    names = [f"class {index % 3}" for index in range(30)]
    classes = [*sorted(set(names)), "newcomer"]
    before, k = knn(train, names, test, classes)
    after, same_k = knn(np.vstack([train, -np.ones((1, 4), np.float32)]), [*names, "newcomer"], test, classes)
    assert k == same_k
    assert after == pytest.approx(before, abs=1e-6)
    assert (after[:, 3] == 0).all()


def test_votes_by_hand():
    # Six training images give k = 5 by the grid. The test image (1, 0) has the cosines 1, 1, 0, 0, 0, -1; its five
    # nearest are two of a with the weight 1 and three of b with exp(-1 / 0.07): a gets nearly all.
    train = np.array([[1, 0], [2, 0], [0, 1], [0, 3], [0, 2], [-1, 0]], np.float32)
    probabilities, k = knn(train, ["a", "a", "b", "b", "b", "c"], np.array([[1, 0]], np.float32), ["a", "b", "c"])
    weight = np.exp(-1 / TEMPERATURE)
    assert k == 5
    assert probabilities[0] == pytest.approx([2 / (2 + 3 * weight), 3 * weight / (2 + 3 * weight), 0], abs=1e-6)


def test_of_equally_good_k_the_smallest_is_taken():
    # Two classes far apart, 60 images each: all of 5, 10, 20, 50 are always right.
    vectors, labels = clusters(np.random.default_rng(7), classes=2, each=60, spread=0.01)
    assert knn(vectors, [str(label) for label in labels], vectors[:1], ["0", "1"])[1] == 5


def test_an_image_has_one_neighbour_fewer_than_there_are_images():
    vectors = np.random.default_rng(8).normal(size=(5, 3)).astype(np.float32)
    assert knn(vectors, list("aabbb"), vectors, ["a", "b"])[1] == 4


def test_blocks_change_nothing(monkeypatch):
    vectors, labels = clusters(np.random.default_rng(5), classes=6, each=40, width=4, spread=1.0)
    names = [str(label) for label in labels]
    whole = knn(vectors[::2], names[::2], vectors[1::2], sorted(set(names)))
    monkeypatch.setattr(module, "CELLS", 7 * len(vectors[::2]))
    parts = knn(vectors[::2], names[::2], vectors[1::2], sorted(set(names)))
    assert parts[1] == whole[1] > K_GRID[0]  # an image that were its own neighbour would make the smallest k perfect
    assert parts[0] == pytest.approx(whole[0], abs=1e-6)


def test_order_scale_and_test_images_do_not_matter():
    rng = np.random.default_rng(2)
    vectors, labels = clusters(rng)
    names, classes = [str(label) for label in labels], ["0", "1", "2", "3"]
    train, test, order = vectors[::2], vectors[1::2], rng.permutation(60)
    straight, k = knn(train, names[::2], test, classes)
    shuffled, same_k = knn(train[order] * 3, [names[::2][index] for index in order], test[::-1] / 2, classes)
    assert k == same_k
    assert shuffled[::-1] == pytest.approx(straight, abs=1e-5)


def test_one_training_image_is_every_images_neighbour():
    probabilities, k = knn(np.ones((1, 3), np.float32), ["only"], np.eye(3, dtype=np.float32), ["only", "other"])
    assert k == 1
    assert probabilities.tolist() == [[1.0, 0.0]] * 3


def test_no_training_image_is_a_reason():
    with pytest.raises(NotMeasurable, match="there are none"):
        knn(np.empty((0, 3), np.float32), [], np.eye(3, dtype=np.float32), ["a", "b"])
