"""The linear probe held against scikit-learn's LogisticRegression on the same strengths, folds and features.

    python benchmarks/probe.py
    python benchmarks/probe.py --images 10000 --classes 1000 --rounds 1

Both take turns in one process with the same threads. scikit-learn sweeps with its defaults (L-BFGS, 100 steps) over the
strengths that the probe's own search tries, each from zero, then fits the best one to all training images. The features
are Gaussian classes whose spread falls along the axes as that of embeddings does.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from visavis.evaluate import linear_probe as probe

LEAST_TIMES = 5.0  # target: times as fast
TESTED = 2000


def main() -> None:
    """Fits in turn, and prints medians with the least and the most of each, and the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=3500)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    features, truth = draw(given.images + TESTED, given.features, given.classes)
    train, test = features[: given.images], features[given.images :]
    names = [str(number) for number in range(given.classes)]
    seconds: list[tuple[float, float]] = []
    for _ in range(given.rounds):
        (probabilities, strength), ours = clock(
            lambda: probe.linear_probe(train, [names[one] for one in truth[: given.images]], test, names, seed=0)
        )
        predicted, theirs = clock(lambda: sweep(train, truth[: given.images], test))
        seconds.append((ours, theirs))
    own, other = zip(*seconds, strict=True)
    right = [float((answers == truth[given.images :]).mean()) for answers in (probabilities.argmax(axis=1), predicted)]
    print(f"{given.images} images, {given.features} features, {given.classes} classes, {given.rounds} rounds by turns")
    print(f"seconds: visavis {spread(own)}, scikit-learn {spread(other)}")
    print(f"ratio {spread([b / a for a, b in seconds])} (target {LEAST_TIMES}); chosen C {strength:.3g}")
    print(f"accuracy on {TESTED} images: visavis {right[0]:.4f}, scikit-learn {right[1]:.4f}")


def draw(images: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes that overlap, so that the strength matters."""
    rng = np.random.default_rng(0)
    spread_out = 1 / np.sqrt(1 + np.arange(features))
    truth = np.concatenate([np.arange(classes), np.arange(classes), rng.integers(0, classes, images - 2 * classes)])
    signal = np.where(np.arange(features) < features // 8, 0.8, 0.0)  # the rest says nothing, as much of a vector does
    centres = signal * rng.normal(size=(classes, features))
    return ((centres[truth] + rng.normal(size=(images, features))) * spread_out).astype(np.float32), truth


def sweep(train: np.ndarray, truth: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Answers of scikit-learn's best probe [test images]."""
    train, test = probe.standardised(train, test)
    cuts = list(StratifiedKFold(probe.FOLDS, shuffle=True, random_state=0).split(train, truth))
    cuts = cuts if len(train) < probe.MANY else cuts[:1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(LogisticRegression(), {"C": tried()}, cv=cuts).fit(train, truth)
    return search.predict(test)


def tried() -> list[float]:
    """As many strengths as the search tries, around the same middle."""
    return [10.0**decade for decade in np.linspace(probe.DECADES[0], 2, 15)]


def clock(work: Callable[[], object]) -> tuple[object, float]:
    """What it gave, and seconds on the wall."""
    started = time.perf_counter()
    given = work()
    return given, time.perf_counter() - started


def spread(values: list[float]) -> str:
    """The median, and within what all of them lay."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
