from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from visavis.evaluate.multi_label import average_precisions


def test_by_hand():
    """Four images by falling score, the class in the first and the third: (1/1 + 2/3) / 2."""
    scores = np.array([[0.9], [0.8], [0.7], [0.1]])
    right = np.array([[True], [False], [True], [False]])
    assert average_precisions(scores, right, np.ones((1, 4))) == pytest.approx((1 + 2 / 3) / 2)


@given(st.integers(0, 2**31), st.integers(1, 40), st.booleans())
def test_it_is_scikit_learns_with_weights_and_ties(seed, images, with_ties):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(images, 3))
    scores = scores.round() if with_ties else scores
    right = generator.random((images, 3)) < 0.4
    counts = generator.integers(0, 3, (5, images))
    found = average_precisions(scores, right, counts)
    for row, count in enumerate(counts):
        for column in range(3):
            if (count * right[:, column]).sum() == 0:
                assert np.isnan(found[row, column])
            else:
                theirs = average_precision_score(right[:, column], scores[:, column], sample_weight=count)
                assert found[row, column] == pytest.approx(theirs, abs=1e-12)


def test_many_resamples_are_taken_in_parts(monkeypatch):
    generator = np.random.default_rng(0)
    given_ = generator.normal(size=(20, 2)), generator.random((20, 2)) < 0.5, generator.integers(0, 3, (30, 20))
    whole = average_precisions(*given_)
    monkeypatch.setattr("visavis.evaluate.multi_label.CELLS", 50)
    assert np.array_equal(average_precisions(*given_), whole)
