"""Ranks and orders worked out by hand, and SciPy's ranks."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from visavis.evaluate.ranking import order_shares, rank_shares

# the first row has one order; in the second the first two are level; in the third all are
VALUES = np.array([[0.5, 0.7, 0.2], [0.6, 0.6, 0.1], [0.4, 0.4, 0.4]])
values = hnp.arrays(float, st.tuples(st.integers(1, 20), st.integers(2, 5)), elements=st.sampled_from([0.1, 0.2, 0.3]))


def test_ranks_by_hand():
    # the first model comes first in 0, 1/2 and 1/3 of the rows, second in 1, 1/2, 1/3, last in 0, 0, 1/3
    shares = rank_shares(VALUES)
    assert shares[0] == pytest.approx([5 / 18, 11 / 18, 2 / 18])
    assert shares[1] == pytest.approx([11 / 18, 5 / 18, 2 / 18])
    assert shares[2] == pytest.approx([2 / 18, 2 / 18, 14 / 18])


def test_orders_by_hand():
    # 1 > 0 > 2 in all of the first row, half of the second and a sixth of the third: 5/3 of 3
    shares = order_shares(VALUES)
    assert list(shares)[:2] == [(1, 0, 2), (0, 1, 2)]
    assert shares[1, 0, 2] == pytest.approx(10 / 18)
    assert shares[0, 1, 2] == pytest.approx(4 / 18)
    assert shares[2, 1, 0] == pytest.approx(1 / 18)


@given(values)
@settings(max_examples=50, deadline=None)
def test_ranks_are_scipys_and_follow_from_the_orders(rows):
    shares, orders = rank_shares(rows), order_shares(rows)
    models = rows.shape[1]
    assert shares.sum(axis=0) == pytest.approx(np.ones(models))
    assert shares.sum(axis=1) == pytest.approx(np.ones(models))
    mean_ranks = rankdata(-rows, method="average", axis=1).mean(axis=0)
    assert shares @ np.arange(1, models + 1) == pytest.approx(mean_ranks)
    for model in range(models):
        for rank in range(models):
            held = sum(share for order, share in orders.items() if order[rank] == model)
            assert held == pytest.approx(shares[model, rank])


def test_many_level_models_do_not_explode():
    shares = order_shares(np.zeros((3, 12)))
    assert sum(shares.values()) == pytest.approx(1)
    assert set(order_shares(np.zeros((1, 3)))) == set(permutations(range(3)))
