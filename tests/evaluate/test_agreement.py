"""Error consistency against its definition, worked by hand and by scikit-learn's kappa."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from visavis.evaluate.agreement import error_consistency


def test_by_hand():
    # both right on 70 of 100; together right on 55, together wrong on 15: 0.70 against 0.58 by chance
    assert error_consistency(np.array(0.7), np.array(0.7), np.array(0.7)) == pytest.approx((0.7 - 0.58) / 0.42)


def test_where_nothing_can_be_told():
    ones = np.ones(1)
    assert np.isnan(error_consistency(ones, ones, ones)).all()
    assert np.isnan(error_consistency(ones, 0 * ones, 0 * ones)).all()


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=60))
def test_is_cohens_kappa(answers):
    a, b = np.array(answers).T
    if a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()) == 1:
        return  # the case above; scikit-learn warns there
    found = error_consistency((a == b).mean(), a.mean(), b.mean())
    assert found == pytest.approx(cohen_kappa_score(a, b, labels=[False, True]), abs=1e-12)
    assert found == error_consistency((a == b).mean(), b.mean(), a.mean())
