"""Do the intervals and tests keep what they promise? Simulated studies whose truth is known.

    python benchmarks/coverage.py              the table of docs/statistics.md
    python benchmarks/coverage.py --studies 200 --sizes 100

Coverage is the share of studies whose 95% interval holds the truth; type I error the share that finds a difference
where there is none (at 5%), or calls models equivalent that are exactly the margin apart. With 4,000 studies a share's
own error is a third of a point.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

from visavis.study.bootstrap import (
    EQUAL,
    Estimates,
    Resampling,
    estimate_accuracies,
    estimate_contrasts,
    group_sums,
    resampled_means,
    strata_of,
)
from visavis.study.paired_tests import equivalence, sign_flip
from visavis.study.pairs import MARGIN

SIZES = (30, 100, 300, 1000)
BLOCK = 100  # studies that share resamples; all sharing one set would err together
LEAD = 0.06  # of the first model, where the two differ
ALPHA = 0.05
SHOTS = 10  # draws of training images
CAPTIONS = 5  # of an image
WIDTH = 12  # numbers in a vector of a made-up encoder


class Studies(NamedTuple):
    """Many studies of one design, as columns that share images, classes and groups.

    Attributes:
        right: Of two models, 0 to 1, each [images, studies].
        truth: Accuracies of the two over all images there could be.
        classes: [images].
        groups: [images]; None where each image stands alone.
    """

    right: tuple[np.ndarray, np.ndarray]
    truth: tuple[float, float]
    classes: np.ndarray
    groups: np.ndarray | None


Design = Callable[[int, int, float, np.random.Generator], Studies]


class Shares(NamedTuple):
    """Of studies: whose interval of this kind holds the truth, and where a test errs."""

    accuracy: float
    difference: float
    percentile: float  # the difference's plain percentiles
    bca: float
    by_images: float  # the difference's interval where groups are not heeded
    finds_none_there: float
    mcnemar: float
    calls_equivalent: float


def main() -> None:
    """Prints the table, one row a design and size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    print("| design | n | accuracy | difference | percentile | BCa | by images | paired test | McNemar | equivalence |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, design in DESIGNS.items():
        for n in given.sizes:
            found = judge(design, n, given.studies, given.seed)
            print(f"| {name} | {n:,} | {' | '.join(f'{100 * share:.1f}' for share in found)} |", flush=True)
    print(f"\n{given.studies:,} studies a row, {time.perf_counter() - began:.0f} s")


def judge(design: Design, n: int, studies: int, seed: int) -> Shares:
    """Coverage and errors of one design and size."""
    generator = np.random.default_rng(seed)
    blocks = [_judge_block(design, n, min(BLOCK, studies), generator) for _ in range(max(1, studies // BLOCK))]
    return Shares(*(float(share) for share in np.mean(blocks, axis=0)))


def _judge_block(design: Design, n: int, studies: int, generator: np.random.Generator) -> Shares:
    resampling = Resampling(seed=int(generator.integers(2**31)))
    apart, same, edge = (design(n, studies, gap, generator) for gap in (LEAD, 0.0, MARGIN))
    strata, plain = strata_of(apart.classes, apart.groups), strata_of(apart.classes)
    ones, largest = np.ones_like(apart.right[0]), np.ones(studies)
    truth = apart.truth[0] - apart.truth[1]
    contrasts, gap = apart.right[0] - apart.right[1], same.right[0] - same.right[1]
    means = resampled_means(contrasts, ones, strata, resampling)  # [draws, studies]
    return Shares(
        accuracy=_held(estimate_accuracies(apart.right[0], ones, strata, resampling), apart.truth[0]),
        difference=_held(estimate_contrasts(contrasts, strata, largest, resampling), truth),
        percentile=_inside(*np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2], axis=0), truth),
        bca=_inside(*bca(contrasts, means, strata), truth),
        by_images=_held(estimate_contrasts(contrasts, plain, largest, resampling), truth),
        finds_none_there=_found(gap, strata),
        mcnemar=_found(gap, plain),
        calls_equivalent=float((equivalence(edge.right[0] - edge.right[1], strata, MARGIN) < ALPHA).mean()),
    )


def bca(values: np.ndarray, means: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Efron's bias-corrected and accelerated intervals of means, each [studies], from the same resamples.

    Source: Efron 1987, Journal of the American Statistical Association 82; the acceleration by the influence of groups.
    """
    centre = values.mean(axis=0)
    below = ((means < centre).mean(axis=0) + (means <= centre).mean(axis=0)) / 2
    bias = ndtri(np.clip(below, 1 / len(means), 1 - 1 / len(means)))
    influence = group_sums(values - centre, strata)
    skew = (influence**3).sum(axis=0) / (6 * np.maximum((influence**2).sum(axis=0), 1e-12) ** 1.5)
    shifted = bias + ndtri(1 - ALPHA / 2) * np.array([[-1], [1]])  # [2, studies]
    tails = ndtr(bias + shifted / (1 - skew * shifted))
    low, high = np.array([np.quantile(own, tail) for own, tail in zip(means.T, tails.T, strict=True)]).T
    return low, high


def _held(found: Estimates, truth: float) -> float:
    return _inside(found.low, found.high, truth)


def _inside(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    return float(((low <= truth + EQUAL) & (truth - EQUAL <= high)).mean())


def _found(contrasts: np.ndarray, strata: np.ndarray) -> float:
    """Share of studies in which the paired test finds a difference; tenths, of means of draws, count as wholes."""
    return float((sign_flip(group_sums(SHOTS * contrasts, strata)) < ALPHA).mean())


def paired_classes(n: int, studies: int, gap: float, generator: np.random.Generator) -> Studies:
    """Five classes of fixed and unequal sizes, 60 to 95% right; two models that mostly agree."""
    classes = np.sort(np.resize([0, 0, 0, 1, 1, 2, 3, 4], n))
    chance = np.linspace(0.6, 0.95, 5)[classes][:, None]
    first, second = generator.random((2, n, studies))
    second = np.where(generator.random((n, studies)) < 0.7, first, second)  # in 7 of 10 cases one die decides for both
    right = (first < chance).astype(float), (second < chance - gap).astype(float)
    return Studies(right, (float(chance.mean()), float(chance.mean()) - gap), classes, None)


def grouped_images(n: int, studies: int, gap: float, generator: np.random.Generator) -> Studies:
    """Groups of 1 to 9 images, each of one class: frames of videos of unequal length."""
    groups = np.repeat(np.arange(n), np.resize([1, 5, 9, 3, 7, 5], n))[:n]
    return _in_groups(groups, groups % 2, studies, gap, generator)


def crossing_groups(n: int, studies: int, gap: float, generator: np.random.Generator) -> Studies:
    """Groups of five images of five classes: one hand's drawings, one site's photographs."""
    return _in_groups(np.arange(n) // 5, np.arange(n) % 5, studies, gap, generator)


def few_sites(n: int, studies: int, gap: float, generator: np.random.Generator) -> Studies:
    """Four large groups of five classes, some harder than others: sites, vendors."""
    groups, classes = np.arange(n) % 4, np.arange(n) // 4 % 5
    ease = generator.normal(size=(4, studies))[groups]
    chance = np.stack([ndtr(0.6 + 0.5 * ease + 0.2 * generator.normal(size=(4, studies))[groups]) for _ in range(2)])
    mean = float(ndtr(0.6 / np.sqrt(1 + 0.5**2 + 0.2**2)))
    chance[1] *= 1 - gap / mean
    right = (generator.random(chance.shape) < chance).astype(float)
    return Studies((right[0], right[1]), (mean, mean - gap), classes, groups)


def few_shot_draws(n: int, studies: int, gap: float, generator: np.random.Generator) -> Studies:
    """How often each test image is right over several draws of training images; the truth is that of these draws."""
    chance = gap + (1 - gap) * generator.beta(3, 2, (n, studies))
    right = tuple(generator.binomial(SHOTS, own) / SHOTS for own in (chance, chance - gap))
    best = gap + (1 - gap) * 0.6
    return Studies((right[0], right[1]), (best, best - gap), np.arange(n) % 5, None)


def retrieval(n: int, studies: int, gap: float, generator: np.random.Generator) -> Studies:
    """Recall@1: whether each of `n` captions, five an image, is nearest to its image among all.

    Images and captions are vectors; an image that looks like others is hard to find by any of its captions.
    """
    groups = np.arange(n) // CAPTIONS
    right = np.stack([_found_by_caption(groups, generator) for _ in range(studies)], axis=-1)  # [2, captions, studies]
    best = _recall(n)
    right[1] *= generator.random((n, studies)) >= gap / best
    return Studies((right[0], right[1]), (best, best - gap), np.zeros(n, int), groups)


def _found_by_caption(groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Right answers of two models that see the same images and captions, each with errors of its own: [2, captions]."""
    images = generator.normal(size=(groups[-1] + 1, WIDTH))
    right = np.empty((2, len(groups)))
    for model in range(2):
        seen = images + 0.3 * generator.normal(size=images.shape)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        captions = images[groups] + 0.8 * generator.normal(size=(len(groups), WIDTH))
        right[model] = (captions @ seen.T).argmax(axis=1) == groups
    return right


@cache
def _recall(n: int) -> float:
    """Either model's true recall: there is no formula, so the mean of many studies stands for it."""
    groups, generator = np.arange(n) // CAPTIONS, np.random.default_rng(10**6 + n)
    return float(np.mean([_found_by_caption(groups, generator) for _ in range(200_000 // n + 500)]))


def _in_groups(
    groups: np.ndarray, classes: np.ndarray, studies: int, gap: float, generator: np.random.Generator
) -> Studies:
    """A group is easy or hard: most of its images share their answer, and often both models' chances on it."""
    count = groups.max() + 1
    one, other = generator.random((2, count, studies))
    other = np.where(generator.random((count, studies)) < 0.5, one, other)
    chance = betaincinv(0.7, 0.3, np.stack([one, other]))[:, groups]  # [models, images, studies]; mean 0.7
    chance[1] *= 1 - gap / 0.7
    right = (generator.random(chance.shape) < chance).astype(float)
    return Studies((right[0], right[1]), (0.7, 0.7 - gap), classes, groups)


DESIGNS: dict[str, Design] = {
    "paired classes": paired_classes,
    "grouped images": grouped_images,
    "crossing groups": crossing_groups,
    "four sites": few_sites,
    "few-shot draws": few_shot_draws,
    "retrieval": retrieval,
}


if __name__ == "__main__":
    main()
