"""The linear probe: scikit-learn's optimum, a strength chosen on the training part alone."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from visavis.evaluate.linear_probe import DECADES, FINEST, MANY, USUAL, linear_probe, search_decade
from visavis.evaluate.scores import NotMeasurable


def blobs(seed=0, each=24):
    rng = np.random.default_rng(seed)
    centres = 0.7 * rng.normal(size=(3, 5))
    labels = np.repeat(np.arange(3), each)
    return (centres[labels] + rng.normal(size=(3 * each, 5))).astype(np.float32), [f"c{label}" for label in labels]


def test_agrees_with_a_converged_fit():
    vectors, labels = blobs()
    probabilities, strength = linear_probe(vectors[::2], labels[::2], vectors[1::2], ["c0", "c1", "c2"], seed=0)
    scaler = StandardScaler().fit(vectors[::2])
    oracle = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(scaler.transform(vectors[::2]), labels[::2])
    expected = oracle.predict_proba(scaler.transform(vectors[1::2]))
    assert probabilities == pytest.approx(expected, abs=0.002)
    assert (probabilities.argmax(axis=1) == expected.argmax(axis=1)).all()


def noisy(n_noise, seed=0, each=30):
    """Three classes along two features, among others that say nothing."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), each)
    centres = np.array([[0.0, 1.5], [1.5, 0.0], [-1.0, -1.0]])
    told = centres[labels] + rng.normal(size=(3 * each, 2))
    vectors = np.hstack([told, rng.normal(size=(3 * each, n_noise))]).astype(np.float32)
    return vectors, [f"c{label}" for label in labels]


@pytest.mark.parametrize(("n_noise", "each"), [(0, 30), (8, 30), (60, 30), (8, 2)])
def test_the_strength_is_as_good_as_any_of_a_grid_search_on_the_training_part(n_noise, each):
    vectors, labels = noisy(n_noise, each=each)
    _, strength = linear_probe(vectors, labels, vectors[:1], ["c0", "c1", "c2"], seed=5)
    folds = list(StratifiedKFold(min(3, each), shuffle=True, random_state=5).split(vectors, labels))
    scaled = StandardScaler().fit_transform(vectors)
    right = []
    for one in [*(10.0**decade for decade in DECADES), strength]:
        probe = LogisticRegression(C=one, max_iter=20_000, tol=1e-8)
        right.append(cross_val_predict(probe, scaled, labels, cv=folds) == np.array(labels))
    best = max(right, key=lambda answers: answers.sum())
    assert best.sum() - right[-1].sum() <= max(1, (best != right[-1]).sum() ** 0.5)


def answers(share, n=10_000):
    """Answers of which so many are right, the same images first."""
    return np.arange(n) < round(share * n)


@pytest.mark.parametrize("peak", [-5.875, -3.1, 0.0, 0.4, 2.26, 6.0])
def test_the_search_climbs_a_single_peak_to_its_finest_step(peak):
    tried = []

    def judge(decade):
        tried.append(decade)
        return answers(0.99 - 0.05 * abs(decade - peak), n=200_000)

    assert abs(search_decade(judge) - peak) <= FINEST / 2 + 0.04  # 0.04 of a decade: within a standard error
    assert len(tried) == len(set(tried)) <= 15


def test_where_validation_cannot_tell_the_usual_strength_stands():
    assert search_decade(lambda _: answers(0.7)) == USUAL
    rng = np.random.default_rng(0)
    assert abs(search_decade(lambda _: rng.random(1000) < 0.7) - USUAL) <= 1  # the best of 15 is so by chance
    assert search_decade(lambda decade: answers(0.5 + 0.05 * decade)) > 4  # here it can


def test_the_search_ends_where_weaker_penalties_do_ever_worse():
    tried = []
    search_decade(lambda decade: tried.append(decade) or answers(0.9 - 0.05 * abs(decade + 4)))
    assert max(tried) == 0.0


def test_many_training_images_are_validated_on_one_fold():
    vectors, labels = blobs(each=MANY // 3 + 1)
    probabilities, strength = linear_probe(vectors, labels, vectors[::9], ["c0", "c1", "c2"], seed=0)
    scaled = StandardScaler().fit_transform(vectors)
    oracle = LogisticRegression(C=strength, max_iter=5000).fit(scaled, labels)
    assert (probabilities.argmax(axis=1) == oracle.predict_proba(scaled[::9]).argmax(axis=1)).mean() > 0.999


def test_some_data_want_a_strong_penalty_and_some_a_weak_one():
    found = {linear_probe(*noisy(n), np.zeros((1, n + 2), np.float32), ["c0", "c1", "c2"], seed=0)[1] for n in (0, 60)}
    assert len(found) == 2


def test_same_seed_same_bits_and_test_images_do_not_meet():
    vectors, labels = blobs(1)
    classes, test = ["c0", "c1", "c2"], vectors[1::2]
    first = linear_probe(vectors[::2], labels[::2], test, classes, seed=3)
    again = linear_probe(vectors[::2], labels[::2], test[::-1].copy(), classes, seed=3)
    alone = linear_probe(vectors[::2], labels[::2], test[:1], classes, seed=3)
    assert first[1] == again[1] == alone[1]
    assert again[0][::-1] == pytest.approx(first[0], abs=1e-6)
    assert alone[0] == pytest.approx(first[0][:1], abs=1e-6)


def test_separable_classes_are_separated():
    train = np.array([[0, 0], [0, 1], [0, 2], [9, 0], [9, 1], [9, 2]], np.float32)
    test = np.array([[1, 1], [8, 1]], np.float32)
    probabilities, _ = linear_probe(train, list("aaabbb"), test, ["a", "b"], seed=0)
    assert probabilities.argmax(axis=1).tolist() == [0, 1]


def test_the_order_of_classes_only_orders_the_columns():
    vectors, labels = blobs(3)
    straight, strength = linear_probe(vectors[::2], labels[::2], vectors[1::2], ["c0", "c1", "c2"], seed=0)
    turned, same = linear_probe(vectors[::2], labels[::2], vectors[1::2], ["c2", "c0", "c1"], seed=0)
    assert strength == same
    assert turned == pytest.approx(straight[:, [2, 0, 1]], abs=0.002)


def test_the_scale_of_a_feature_does_not_matter():
    vectors, labels = blobs(5)
    scaled = vectors * np.array([1, 1e3, 1e-3, 7, 1], np.float32) + 4
    straight, _ = linear_probe(vectors[::2], labels[::2], vectors[1::2], ["c0", "c1", "c2"], seed=0)
    moved, _ = linear_probe(scaled[::2], labels[::2], scaled[1::2], ["c0", "c1", "c2"], seed=0)
    assert moved == pytest.approx(straight, abs=0.002)


def test_a_class_without_training_images_gets_no_probability():
    vectors, labels = blobs(2)
    probabilities, _ = linear_probe(vectors, labels, vectors[:4], ["absent", "c0", "c1", "c2"], seed=0)
    assert (probabilities[:, 0] == 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_constant_feature_is_harmless():
    vectors, labels = blobs(4)
    constant = np.hstack([vectors, np.full((len(vectors), 1), 7, np.float32)])
    with_it, _ = linear_probe(constant[::2], labels[::2], constant[1::2], ["c0", "c1", "c2"], seed=0)
    without, _ = linear_probe(vectors[::2], labels[::2], vectors[1::2], ["c0", "c1", "c2"], seed=0)
    assert with_it == pytest.approx(without, abs=1e-3)


@pytest.mark.parametrize(
    ("labels", "reason"), [(["a", "a", "a"], "at least two classes"), (["a", "a", "b"], "'b' has one")]
)
def test_too_few_training_images_have_a_reason(labels, reason):
    with pytest.raises(NotMeasurable, match=reason):
        linear_probe(np.eye(3, dtype=np.float32), labels, np.eye(3, dtype=np.float32), ["a", "b"], seed=0)


def test_vectors_that_are_no_numbers_are_refused():
    vectors = np.eye(4, dtype=np.float32)
    with pytest.raises(NotMeasurable, match="weights may be damaged"):
        linear_probe(np.full_like(vectors, np.inf), list("aabb"), vectors, ["a", "b"], seed=0)
