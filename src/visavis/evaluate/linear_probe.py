"""Linear probe: multinomial logistic regression on frozen features, its L2 strength chosen by validation.

Radford et al. 2021, appendix A.3, also for the search of the strength. Here it is chosen on the training part alone;
where validation does not tell strengths apart the usual one stands, after the one-standard-error rule of Breiman et al.
1984 (Classification and Regression Trees, section 3.4.3): a few images put one of fifteen first by chance.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from visavis.evaluate.logistic import Problem, as_problem
from visavis.evaluate.scores import NotMeasurable, require_finite, softmax

DECADES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)  # of scikit-learn's C, the inverse of the strength, tried at first
FINEST = 1 / 8  # of a decade: the search halves its steps down to this
USUAL = -1.0  # the decade of C that suits standardised features
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


def probe_weights(train: np.ndarray, truth: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """A linear probe of the usual strength as a map of the features as they are.

    Args:
        train: float32 [train images, features].
        truth: Class numbers [train images].
        n_classes: Of all classes, also those without an image.

    Returns:
        Weight float32 [classes, features] and bias float32 [classes].
    """
    mean, deviation = _scale_of(train)
    problem = as_problem((train - mean) / deviation, truth, n_classes)
    fitted = problem.fit(10.0**USUAL)
    weight = (problem.axes @ fitted[:-1]) / deviation[:, None]  # [features, classes]
    return np.ascontiguousarray(weight.T), fitted[-1] - mean @ weight


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean zero, variance one in each feature of the training part; models differ in the scale of their features."""
    mean, deviation = _scale_of(train)
    return (train - mean) / deviation, (test - mean) / deviation


def _scale_of(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each feature, float32 [features]."""
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)  # float32 sums of many images would drift
    deviation = train.std(axis=0, dtype=np.float64).astype(np.float32)
    deviation[deviation < 1e-8] = 1.0
    return mean, deviation


def search_decade(judge: Callable[[float], np.ndarray]) -> float:
    """The exponent of C to use: coarse steps, then ever finer ones around the best so far.

    Args:
        judge: Which of the images left out an exponent has right, bool [images].

    Returns:
        Of those that are not worse than the best by more than a standard error of the difference (the root of the
        number of images on which they differ), the nearest to the usual one.
    """
    found: dict[float, np.ndarray] = {}
    for decade in DECADES:
        found[decade] = judge(decade)
        counts = [int(right.sum()) for right in found.values()]
        if max(counts[-2:]) < max(counts):
            break  # two weaker penalties in turn did worse
    step = DECADES[1] - DECADES[0]
    while step > FINEST:
        best, step = max(found, key=lambda decade: (found[decade].sum(), -abs(decade - USUAL))), step / 2
        for decade in (best - step, best + step):
            if DECADES[0] <= decade <= DECADES[-1]:
                found[decade] = judge(decade)
    most = max(found.values(), key=lambda right: right.sum())
    as_good = [one for one, right in found.items() if most.sum() - right.sum() <= (right != most).sum() ** 0.5]
    return min(as_good, key=lambda decade: (abs(decade - USUAL), decade))


def _choose_strength(train: np.ndarray, truth: np.ndarray, cuts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The strength that does best on the images left out."""
    n_classes = int(truth.max()) + 1
    folds = [_Fold(as_problem(train[fit], truth[fit], n_classes), train[out], truth[out]) for fit, out in cuts]
    # Folds run side by side on a thread each: small products that start all threads are slow on a busy machine.
    with ThreadPoolExecutor(os.cpu_count()) as pool, threadpool_limits(1 if len(folds) > 1 else None):

        def judge(decade: float) -> np.ndarray:
            return np.concatenate(list(pool.map(lambda fold: fold.judge(decade), folds)))

        return 10.0 ** search_decade(judge)


class _Fold:
    """A part to fit and a part left out; a fit starts from the nearest one before it."""

    def __init__(self, problem: Problem, left_out: np.ndarray, truth: np.ndarray) -> None:
        self.problem, self.left_out, self.truth = problem, left_out, truth
        self.fitted: dict[float, np.ndarray] = {}

    def judge(self, decade: float) -> np.ndarray:
        """Which of the images left out are answered right, bool [images]."""
        nearest = min(self.fitted, key=lambda other: abs(other - decade), default=None)
        start = None if nearest is None else self.fitted[nearest]
        weights = self.fitted[decade] = self.problem.fit(10.0**decade, start, ROUGHLY)
        return self.problem.logits(self.left_out, weights).argmax(axis=1) == self.truth
