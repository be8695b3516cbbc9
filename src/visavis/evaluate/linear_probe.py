"""Linear probe: multinomial logistic regression on frozen features, its L2 strength chosen by cross-validation.

Radford et al. 2021, appendix A.3, with scikit-learn's solver; here the strength is chosen on the training part alone.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from visavis.evaluate.scores import NotMeasurable, require_finite

STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # scikit-learn's C, the inverse of the L2 strength; the strongest penalty first
FOLDS = 3
STEPS = 100  # of L-BFGS at each strength; where measured, 98% of the answers or more are then the optimum's own


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
            "Its strength is chosen by cross-validation, which needs two training images of each class; "
            f"{lone!r} has one."
        )
    known = [index for index, name in enumerate(classes) if name in counts]
    number = {classes[index]: place for place, index in enumerate(known)}
    truth = np.array([number[label] for label in train_labels])
    train, test = _standardised(train, test)
    cuts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(train, truth))
    probabilities = np.zeros((len(test), len(classes)), np.float32)
    with _one_thread_each():
        best = _choose_strength(train, truth, cuts)
        *_, probe = _fit_path(train, truth, STRENGTHS[: STRENGTHS.index(best) + 1])
        probabilities[:, known] = probe.predict_proba(test)
    return probabilities, best


def _choose_strength(train: np.ndarray, truth: np.ndarray, cuts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The strength with the most right answers on the images left out; of equal ones the strongest penalty."""

    def right(cut: tuple[np.ndarray, np.ndarray]) -> list[int]:
        fit, check = cut
        probes = _fit_path(train[fit], truth[fit], STRENGTHS)
        return [int((probe.predict(train[check]) == truth[check]).sum()) for probe in probes]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        total = np.sum(list(pool.map(right, cuts)), axis=0)  # [strengths]
    return STRENGTHS[int(total.argmax())]


def _fit_path(features: np.ndarray, truth: np.ndarray, strengths: Sequence[float]) -> Iterator[LogisticRegression]:
    """One probe, fitted to each strength in turn from where it stood: a weaker penalty's optimum is near."""
    probe = LogisticRegression(max_iter=STEPS, warm_start=True)
    for strength in strengths:
        yield probe.set_params(C=strength).fit(features, truth)


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean zero, variance one in each feature of the training part; models differ in the scale of their features."""
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)  # float32 sums of many images would drift
    deviation = train.std(axis=0, dtype=np.float64).astype(np.float32)
    deviation[deviation < 1e-8] = 1.0
    return (train - mean) / deviation, (test - mean) / deviation


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """One thread for each fit's linear algebra, and no warnings of what is so on purpose.

    The fits are small and run side by side: a library that starts all its threads for each small product can be a
    hundred times slower on a busy machine.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # STEPS is a limit on purpose
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)  # few a class
        yield
