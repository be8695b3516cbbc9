"""Few-shot probes: what is drawn, the probe behind them, and the crossing by a worked example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from visavis.evaluate.few_shot import STRENGTH, draw_nested, few_shot, shots_of, worth_in_shots
from visavis.evaluate.linear_probe import standardised
from visavis.evaluate.scores import NotMeasurable


def test_shots_go_as_far_as_nearly_all_classes_do():
    sizes = [8] * 9 + [3]
    truth = np.repeat(np.arange(10), sizes)
    assert shots_of(truth, most=10_000) == (1, 2, 4, 8)
    assert shots_of(truth, most=40) == (1, 2, 4)
    assert shots_of(np.repeat(np.arange(10), [8] * 8 + [3] * 2), most=10_000) == (1, 2)
    assert shots_of(truth, most=5) == ()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 100))
def test_a_draw_holds_so_many_of_each_class(labels, seed):
    truth = np.array(labels)
    ranks = draw_nested(truth, np.random.default_rng(seed))
    for label in set(labels):
        assert sorted(ranks[truth == label]) == list(range(labels.count(label)))


def blobs(each=12, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(classes), each)
    centres = 1.5 * rng.normal(size=(classes, 6))
    return (centres[truth] + rng.normal(size=(len(truth), 6))).astype(np.float32), truth


def test_a_probe_is_scikit_learns_on_the_drawn_images():
    train, truth = blobs()
    test, _ = blobs(seed=1)
    found = {(shots, draw): answers for shots, draw, answers in few_shot(train, truth, test, (1, 4), 2, seed=3)}
    scaled, scaled_test = standardised(train, test)
    for (shots, draw), answers in found.items():
        generator = np.random.default_rng(3).spawn(2)[draw]
        chosen = draw_nested(truth, generator) < shots
        oracle = LogisticRegression(C=STRENGTH, tol=1e-8, max_iter=5000).fit(scaled[chosen], truth[chosen])
        probabilities = np.sort(oracle.predict_proba(scaled_test))
        clear = probabilities[:, -1] - probabilities[:, -2] > 0.03  # the fits stop early, so near ties may turn
        assert clear.mean() > 0.3
        assert (oracle.predict(scaled_test) == answers)[clear].all()


def test_all_images_are_one_draw_and_names_of_classes_stay():
    train, truth = blobs()
    answers = [found for shots, _, found in few_shot(train, 10 * truth, train, (4, 16), 3, seed=0) if shots == 16]
    assert len(answers) == 3
    assert all((one == answers[0]).all() for one in answers)
    assert set(answers[0]) <= {0, 10, 20, 30}
    smaller = [found for shots, _, found in few_shot(train, 10 * truth, train, (4, 16), 3, seed=0) if shots == 4]
    assert any((one != answers[0]).any() for one in smaller)


def test_one_class_is_no_choice():
    with pytest.raises(NotMeasurable, match="two classes"):
        list(few_shot(np.ones((3, 2), np.float32), np.zeros(3, int), np.ones((1, 2), np.float32), (1,), 1, seed=0))


@pytest.mark.parametrize(
    ("without", "worth"), [(0.2, 0.0), (0.4, 1.0 * 2**0.5), (0.5, 2.0), (0.6, 2 * 2**0.5), (0.7, 4.0), (0.71, np.inf)]
)
def test_worth_by_a_worked_example(without, worth):
    """30% with one image, 50% with two, 70% with four: 40% is half the way of a doubling, 1.41 images."""
    assert worth_in_shots((1, 2, 4), np.array([0.3, 0.5, 0.7]), np.array(without)) == pytest.approx(worth)


def test_worth_of_many_curves_at_once_with_dips():
    curves = np.array([[0.3, 0.6, 0.5], [0.5, 0.5, 0.5], [0.1, 0.2, 0.3]])
    found = worth_in_shots((1, 2, 4), curves, np.array([0.55, 0.5, 0.9]))
    assert found == pytest.approx([2 ** (0.25 / 0.3), 0.0, np.inf])
