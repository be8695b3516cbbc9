"""Linear probe: multinomial logistic regression on frozen features, its L2 strength chosen by validation.

Radford et al. 2021, appendix A.3, also for the search of the strength; here it is chosen on the training part alone.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from visavis.evaluate.logistic import Problem, as_problem
from visavis.evaluate.scores import NotMeasurable, require_finite, softmax

DECADES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)  # of scikit-learn's C, the inverse of the strength, tried at first
FINEST = 1 / 8  # of a decade: the search halves its steps down to this
FOLDS = 3
ROUGHLY, FULLY = 1e-2, 1e-4  # tolerances of fits judged by their answers alone, and of the last one
MANY = 3000  # training images of which one fold's third tells strengths apart, so that the others need not be tried


def linear_probe(
    train: np.ndarray, train_labels: Sequence[str], test: np.ndarray, classes: Sequence[str], seed: int
) -> tuple[np.ndarray, float]:
    """Classifies with a linear map of standardised features.

    Args:
        train: float32 [train images, embed_dim].
        train_labels: Class of each training image.
        test: float32 [test images, embed_dim].
        classes: Names of the result's columns.
        seed: Of the folds.

    Returns:
        Probabilities, float32 [test images, classes] (zero for classes without a training image), and the chosen C.

    Raises:
        NotMeasurable: Fewer than two classes have training images, or one has a single image and cannot be folded;
            or embeddings that are no numbers.
    """
    require_finite(train, test)
    counts = Counter(train_labels)
    if len(counts) < 2:
        raise NotMeasurable("A linear probe needs training images of at least two classes.")
    folds = min(FOLDS, *counts.values())
    if folds < 2:
        lone = next(name for name, count in counts.items() if count < 2)
        raise NotMeasurable(
            f"Its strength is chosen by validation, which needs two training images of each class; {lone!r} has one."
        )
    known = [index for index, name in enumerate(classes) if name in counts]
    number = {classes[index]: place for place, index in enumerate(known)}
    truth = np.array([number[label] for label in train_labels])
    train, test = standardised(train, test)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)  # few a class
        cuts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(train, truth))
    strength = _choose_strength(train, truth, cuts if len(train) < MANY else cuts[:1])
    problem = as_problem(train, truth, len(known))
    probabilities = np.zeros((len(test), len(classes)), np.float32)
    probabilities[:, known] = softmax(problem.logits(test, problem.fit(strength, tolerance=FULLY)))
    return probabilities, strength


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean zero, variance one in each feature of the training part; models differ in the scale of their features."""
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)  # float32 sums of many images would drift
    deviation = train.std(axis=0, dtype=np.float64).astype(np.float32)
    deviation[deviation < 1e-8] = 1.0
    return (train - mean) / deviation, (test - mean) / deviation


def search_decade(judge: Callable[[float], tuple[float, float]]) -> float:
    """The exponent of C that does best: coarse steps, then ever finer ones around the best so far.

    Args:
        judge: The right answers with an exponent, and among equally many the log-likelihood.

    Returns:
        Of equally good ones the least, which is the strongest penalty.
    """
    found: dict[float, tuple[float, float]] = {}
    for decade in DECADES:
        found[decade] = judge(decade)
        if max(list(found.values())[-2:]) < max(found.values()):
            break  # two weaker penalties in turn did worse
    step = DECADES[1] - DECADES[0]
    while step > FINEST:
        best, step = _best(found), step / 2
        for decade in (best - step, best + step):
            if DECADES[0] <= decade <= DECADES[-1]:
                found[decade] = judge(decade)
    return _best(found)


def _best(found: Mapping[float, tuple[float, float]]) -> float:
    return max(found, key=lambda decade: (found[decade], -decade))


def _choose_strength(train: np.ndarray, truth: np.ndarray, cuts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The strength that does best on the images left out."""
    n_classes = int(truth.max()) + 1
    folds = [_Fold(as_problem(train[fit], truth[fit], n_classes), train[out], truth[out]) for fit, out in cuts]
    # Folds run side by side on a thread each: small products that start all threads are slow on a busy machine.
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1 if len(folds) > 1 else None):

        def judge(decade: float) -> tuple[float, float]:
            right, likelihood = np.sum(list(pool.map(lambda fold: fold.judge(decade), folds)), axis=0)
            return right, likelihood

        return 10.0 ** search_decade(judge)


class _Fold:
    """A part to fit and a part left out; a fit starts from the nearest one before it."""

    def __init__(self, problem: Problem, left_out: np.ndarray, truth: np.ndarray) -> None:
        self.problem, self.left_out, self.truth = problem, left_out, truth
        self.fitted: dict[float, np.ndarray] = {}

    def judge(self, decade: float) -> tuple[float, float]:
        """Right answers and log-likelihood on the images left out."""
        nearest = min(self.fitted, key=lambda other: abs(other - decade), default=None)
        start = None if nearest is None else self.fitted[nearest]
        weights = self.fitted[decade] = self.problem.fit(10.0**decade, start, ROUGHLY)
        logits = self.problem.logits(self.left_out, weights)
        of_truth = np.take_along_axis(softmax(logits), self.truth[:, None], axis=1)
        likelihood = np.log(np.maximum(of_truth, 1e-30)).sum(dtype=np.float64)
        return float((logits.argmax(axis=1) == self.truth).sum()), float(likelihood)
