"""Ranks against their definition, one query at a time; average precision against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from visavis.evaluate import retrieval
from visavis.evaluate.retrieval import certainty, retrieve
from visavis.evaluate.scores import NotMeasurable


def made(seed: int, queries: int, gallery: int, most_right: int, dim: int = 6):
    random = np.random.default_rng(seed)
    right = [random.permutation(gallery)[: random.integers(1, most_right + 1)] for _ in range(queries)]
    one, other = (random.normal(size=(rows, dim)).astype(np.float32) for rows in (queries, gallery))
    return one, other, right


def by_definition(scores: np.ndarray, right: np.ndarray) -> tuple[int, int]:
    """Rank of the first right answer and the place of the first answer, wrong ones first among equals."""
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place in set(right.tolist())))
    rank = next(number for number, place in enumerate(order, start=1) if place in set(right.tolist()))
    return rank, order[0]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), gallery=st.integers(2, 60), share=st.floats(0.01, 1.0))
def test_ranks_and_precisions_are_their_definitions(seed, gallery, share):
    queries, items, right = made(seed, 7, gallery, max(1, int(share * gallery)))
    found = retrieve(queries, items, right)
    unit = lambda vectors: vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # noqa: E731
    scores = unit(queries) @ unit(items).T
    for number, row in enumerate(scores):
        rank, first = by_definition(row, right[number])
        assert (found.rank[number], found.first[number]) == (rank, first)
        relevant = np.isin(np.arange(gallery), right[number])
        assert found.average_precision[number] == pytest.approx(average_precision_score(relevant, row), abs=1e-9)


@pytest.mark.parametrize("most_right", [3, 40])  # counted one by one, and sorted
def test_blocks_change_nothing(monkeypatch, most_right):
    queries, items, right = made(1, 50, 80, most_right)
    whole = retrieve(queries, items, right)
    monkeypatch.setattr(retrieval, "ROWS", 7)
    parted = retrieve(queries, items, right)
    for one, other in zip(vars(whole).values(), vars(parted).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("right", [1, 20])
def test_vectors_that_are_all_alike_find_nothing(right):
    alike = np.ones((30, 4), np.float32)
    found = retrieve(alike, alike, [np.arange(right)] * 30)
    assert (found.rank == 30 - right + 1).all()
    assert (found.first >= right).all()


def test_a_query_is_not_its_own_answer():
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float32)
    partner = [np.array([1]), np.array([0]), np.array([3]), np.array([2])]
    itself = [np.array([number]) for number in range(4)]
    found = retrieve(vectors, vectors, partner, itself)
    assert found.rank.tolist() == [1, 1, 1, 1]
    assert found.first.tolist() == [1, 0, 3, 2]
    assert retrieve(vectors, vectors, partner).rank.tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("most_right", [3, 40])
def test_what_is_left_out_is_not_there_even_where_right(most_right):
    random = np.random.default_rng(4)
    queries, items, right = made(5, 40, 80, most_right)
    left_out = [np.union1d(random.permutation(80)[:20], places[1:][:number]) for number, places in enumerate(right)]
    left_out = [np.setdiff1d(out, places[:1]) for out, places in zip(left_out, right, strict=True)]
    found = retrieve(queries, items, right, left_out)
    for number, (places, out) in enumerate(zip(right, left_out, strict=True)):
        offered = np.setdiff1d(np.arange(80), out)
        own = np.flatnonzero(np.isin(offered, places))
        alone = retrieve(queries[number : number + 1], items[offered], [own])
        assert found.rank[number] == alone.rank[0]
        assert found.average_precision[number] == pytest.approx(alone.average_precision[0], abs=1e-12)
        assert found.first[number] == offered[alone.first[0]]


def test_lengths_of_vectors_play_no_part():
    queries, items, right = made(2, 20, 30, 3)
    longer = items * np.linspace(0.1, 9, 30, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(retrieve(queries, items, right).rank, retrieve(2 * queries, longer, right).rank)


def test_vectors_that_are_no_numbers():
    with pytest.raises(NotMeasurable, match="not finite numbers"):
        retrieve(np.full((1, 2), np.nan, np.float32), np.ones((2, 2), np.float32), [np.array([0])])


def test_certainty_is_the_softmax_of_all_similarities():
    queries, items, _ = made(3, 300, 9, 1)
    unit = lambda vectors: vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # noqa: E731
    powers = np.exp(7.0 * unit(queries) @ unit(items).T)
    chosen = np.arange(300) % 9
    expected = powers[np.arange(300), chosen] / powers.sum(axis=1)
    np.testing.assert_allclose(certainty(queries, items, chosen, 7.0), expected, rtol=1e-4)
