"""Do the intervals and tests of mean average precision keep what they promise? Simulated studies, their truth known.

    python benchmarks/coverage_map.py          the table of docs/statistics.md

Images have any of five classes, of which 15 to 30 in 100 images are; a model scores each class higher where the image
has it, and errs in part as the other model does. The truth is the mean average precision of 400,000 images.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np

from visavis.evaluate.multi_label import average_precisions
from visavis.study.bootstrap import Resampling
from visavis.study.mean_precision import difference, interval, order_of, resampled

SHARES = np.array([0.15, 0.2, 0.3, 0.2, 0.15])  # of images that have a class
FEWEST = 10  # images of a class, as a study asks for
SHARED = 0.7  # of a score's scatter is the image's own, alike for both models
SIZES = (60, 100, 300, 1000)
DESIGNS = {"unequal": (2.0, 1.6), "equal": (2.0, 2.0), "good": (4.0, 3.5), "nearly perfect": (5.5, 5.5)}
GROUP = 5  # images, where they are in groups
TRUTH = 400_000  # images


class Shares(NamedTuple):
    """Of studies: whose intervals hold the truth, of a model's value and of the difference; and which find one."""

    value: float
    difference: float
    finds: float


def main() -> None:
    """Prints the table, one row a design and size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    given = parser.parse_args()
    began = time.perf_counter()
    print("| models | n | true mAP | value | difference | finds one |\n|---|---|---|---|---|---|")
    for name, apart in DESIGNS.items():
        for grouped in (False, True):
            truth = true_values(apart)
            for n in given.sizes:
                found = judge(apart, n, given.studies, grouped=grouped)
                kind = f"{name}, in groups" if grouped else name
                shown = " | ".join(f"{100 * share:.1f}" for share in found)
                print(f"| {kind} | {n:,} | {truth[0]:.3f}, {truth[1]:.3f} | {shown} |", flush=True)
    print(f"\n{given.studies:,} studies a row, {time.perf_counter() - began:.0f} s")


def judge(apart: tuple[float, float], n: int, studies: int, seed: int = 1, grouped: bool = False) -> Shares:
    """Coverage and findings of one design and size."""
    generator = np.random.default_rng(seed)
    truth = true_values(apart)
    held = []
    for number in range(studies):
        right, scores, groups = draw(apart, n, generator, grouped)
        images = resampled(right, groups, Resampling(seed=number, draws=1000))
        orders = [order_of(own, images) for own in scores]
        _, low, high = interval(orders[0], images)
        _, least, most, p_value = difference(*orders, images)
        held.append((low <= truth[0] <= high, least <= truth[0] - truth[1] <= most, p_value < 0.05))
    return Shares(*(float(share) for share in np.mean(held, axis=0)))


def draw(
    apart: tuple[float, float], n: int, generator: np.random.Generator, grouped: bool
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray | None]:
    """Which classes the images have, both models' scores of them, each [images, classes], and the groups."""
    groups = np.arange(n) // GROUP if grouped else np.arange(n)
    while True:
        right = (generator.random((groups[-1] + 1, len(SHARES))) < SHARES)[groups]
        if (right.sum(axis=0) >= FEWEST).all():
            break
    shared = generator.normal(size=(groups[-1] + 1, len(SHARES)))[groups]
    own = np.sqrt(1 - SHARED**2)
    scores = [right * gap + SHARED * shared + own * generator.normal(size=right.shape) for gap in apart]
    return right, scores, groups if grouped else None


def true_values(apart: tuple[float, float]) -> list[float]:
    """Mean average precision of both models over as good as all images there could be."""
    right, scores, _ = draw(apart, TRUTH, np.random.default_rng(0), grouped=False)
    return [float(average_precisions(own, right, np.ones((1, TRUTH))).mean()) for own in scores]


if __name__ == "__main__":
    main()
