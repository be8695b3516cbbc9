"""Linear probes for several classes: scikit-learn's answers, class by class, and classes that tell nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from visavis.evaluate.one_vs_rest import STRENGTH, one_vs_rest
from visavis.evaluate.scores import NotMeasurable


def drawn(images: int, features: int = 20, classes: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((images, features)).astype(np.float32)
    rule = np.random.default_rng(7).standard_normal((features, classes))
    return vectors, vectors @ rule + random.standard_normal((images, classes)) > 3


@pytest.mark.parametrize("images", [15, 400, 2500])  # fewer than features, and several blocks
def test_scores_are_scikit_learns(images):
    train, right = drawn(images)
    test, _ = drawn(50, seed=1)
    found = one_vs_rest(train, right, test)
    for own, column in zip(right.T, found.T, strict=True):
        if own.any() and not own.all():
            theirs = LogisticRegression(C=STRENGTH, tol=1e-9, max_iter=10_000).fit(train, own).decision_function(test)
            assert column == pytest.approx(theirs, abs=float(0.02 * np.abs(theirs).max()))


def test_a_class_of_all_or_none_tells_nothing():
    train, right = drawn(40)
    right[:, 0], right[:, 1] = True, False
    assert (one_vs_rest(train, right, train)[:, :2] == 0).all()


def test_what_cannot_be_fitted():
    train, right = drawn(10)
    with pytest.raises(NotMeasurable, match="needs training images"):
        one_vs_rest(train[:0], right[:0], train)
    train[3, 2] = np.nan
    with pytest.raises(NotMeasurable):
        one_vs_rest(train, right, train)
