"""Few-shot curves: linear probes on k labelled images of each class, and how many naming without examples is worth.

Radford et al. 2021, section 3.1: figure 6 for the curves, figure 7 for the number of labelled images a class at which a
probe does as well as zero-shot, found by interpolation along the logarithm of the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from visavis.evaluate.linear_probe import standardised
from visavis.evaluate.logistic import as_problem
from visavis.evaluate.scores import NotMeasurable, require_finite

STRENGTH = 0.1  # C of all probes, as a few labels leave none to choose it by; 0.05 and 0.2 give the same accuracies
TOLERANCE = 0.03  # of the fits, which are judged by their answers alone
SHARE = 0.9  # of the classes must have so many training images


def shots_of(truth: np.ndarray, most: int) -> tuple[int, ...]:
    """1, 2, 4, 8 … images a class, as far as nearly all classes have them, and at most `most` images in all."""
    _, counts = np.unique(truth, return_counts=True)
    enough = np.sort(counts)[int((1 - SHARE) * len(counts) + 1e-9)]
    shots, number = [], 1
    while number <= enough and number * len(counts) <= most:
        shots.append(number)
        number *= 2
    return tuple(shots)


def draw_nested(truth: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A rank within its class for each image, by chance: those below k are the draw of k shots. int64 [images]."""
    order = generator.permutation(len(truth))
    ranks = np.empty(len(truth), np.int64)
    by_class = order[np.argsort(truth[order], kind="stable")]
    _, counts = np.unique(truth, return_counts=True)
    ranks[by_class] = np.concatenate([np.arange(count) for count in counts])
    return ranks


def few_shot(
    train: np.ndarray, truth: np.ndarray, test: np.ndarray, shots: Sequence[int], draws: int, seed: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Fits a probe for each number of shots and each draw; a draw's larger sets hold its smaller ones.

    Features are standardised by all training images, whose labels that does not need.

    Args:
        train: float32 [train images, embed_dim].
        truth: Class numbers [train images].
        test: float32 [test images, embed_dim].
        shots: Images of a class; a class that has fewer gives all.
        draws: How often the images are drawn.
        seed: Of the draws.

    Yields:
        Shots, the draw's number, and the answers, class numbers [test images].

    Raises:
        NotMeasurable: Fewer than two classes, or embeddings that are no numbers.
    """
    require_finite(train, test)
    known, numbers = np.unique(truth, return_inverse=True)
    if len(known) < 2:
        raise NotMeasurable("Few-shot probes need training images of at least two classes.")
    train, test = standardised(train, test)

    def answers(chosen: np.ndarray) -> np.ndarray:
        problem = as_problem(train[chosen], numbers[chosen], len(known))
        return known[problem.logits(test, problem.fit(STRENGTH, tolerance=TOLERANCE)).argmax(axis=1)]

    of_all = answers(np.ones(len(train), bool)) if shots[-1] >= np.bincount(numbers).max() else None
    for draw, generator in enumerate(np.random.default_rng(seed).spawn(draws)):
        ranks = draw_nested(numbers, generator)
        for shot in shots:
            chosen = ranks < shot
            yield shot, draw, of_all if of_all is not None and chosen.all() else answers(chosen)


def worth_in_shots(shots: Sequence[int], accuracies: np.ndarray, without: np.ndarray) -> np.ndarray:
    """How many labelled images a class a probe needs to do as well as naming without any.

    Args:
        shots: Ascending.
        accuracies: Of the probes, [..., shots].
        without: Of naming without examples, [...].

    Returns:
        The first crossing along the logarithm of the shots, float64 [...]; 0 where the least shots are enough, infinite
        where the most are not.
    """
    steps = np.log2(np.asarray(shots, float))
    enough = accuracies >= np.asarray(without)[..., None]
    at = enough.argmax(axis=-1)  # the first that is enough
    before = np.maximum(at - 1, 0)
    high = np.take_along_axis(accuracies, at[..., None], axis=-1)[..., 0]
    low = np.take_along_axis(accuracies, before[..., None], axis=-1)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(high > low, (without - low) / (high - low), 0.0)
    found = 2 ** (steps[before] + part * (steps[at] - steps[before]))
    return np.where(enough.any(axis=-1), np.where(at == 0, 0.0, found), np.inf)
