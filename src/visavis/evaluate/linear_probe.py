"""Linear probe: multinomial logistic regression on frozen features, its L2 strength chosen by cross-validation.

Radford et al. 2021, appendix A.3, with scikit-learn's solver; here the strength is chosen on the training part alone.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np

from visavis.evaluate.scores import NotMeasurable

STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # scikit-learn's C, the inverse of the L2 strength
FOLDS = 3
STEPS = 60  # of L-BFGS; on standardised features the probe's accuracy no longer moves


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
        NotMeasurable: Fewer than two classes have training images, or one has a single image and cannot be folded.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = Counter(train_labels)
    if len(counts) < 2:
        raise NotMeasurable("A linear probe needs training images of at least two classes.")
    folds = min(FOLDS, min(counts.values()))
    if folds < 2:
        lone = next(name for name, count in counts.items() if count < 2)
        raise NotMeasurable(
            f"Its strength is chosen by cross-validation, which needs two training images of each class; {lone!r} has one."
        )
    known = [index for index, name in enumerate(classes) if name in counts]
    number = {classes[index]: place for place, index in enumerate(known)}
    truth = np.array([number[label] for label in train_labels])
    train, test = _standardised(train, test)
    right = dict.fromkeys(STRENGTHS, 0)
    for fit, check in StratifiedKFold(folds, shuffle=True, random_state=seed).split(train, truth):
        for strength in STRENGTHS:
            guessed = _fit(train[fit], truth[fit], strength).predict(train[check])
            right[strength] += int((guessed == truth[check]).sum())
    best = max(STRENGTHS, key=lambda strength: (right[strength], -strength))
    probabilities = np.zeros((len(test), len(classes)), np.float32)
    probabilities[:, known] = _fit(train, truth, best).predict_proba(test)
    return probabilities, best


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean zero, variance one in each feature of the training part; models differ in the scale of their features."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation < 1e-8] = 1.0
    return (train - mean) / deviation, (test - mean) / deviation


def _fit(features: np.ndarray, truth: np.ndarray, strength: float):  # type: ignore[no-untyped-def]  # sklearn is untyped
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # STEPS is a limit on purpose
        return LogisticRegression(C=strength, max_iter=STEPS).fit(features, truth)
