"""Seconds of the bootstrap: 10,000 resamples of 10,000 images for 5 models and their 10 differences.

    python benchmarks/bootstrap.py
    python benchmarks/bootstrap.py --images 50000 --draws 2000

The answers are drawn by chance. "groups" puts five images together, "balanced" weights images by their class.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations

import numpy as np

from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts, strata_of

MOST_SECONDS = 5.0  # target: accuracies and differences together


def main() -> None:
    """Prints the seconds of accuracies and of differences, without and with groups."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--classes", type=int, default=100)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    right = (generator.random((given.images, given.models)) < 0.7).astype(float)
    pairs = [right[:, a] - right[:, b] for a, b in combinations(range(given.models), 2)]
    contrasts = np.column_stack(pairs)  # [images, pairs]
    groups = np.arange(given.images) // 5
    classes = groups % given.classes
    balanced = np.repeat(1 / np.bincount(classes)[classes][:, None], given.models, axis=1)
    resampling = Resampling(draws=given.draws)
    print(f"{given.draws:,} resamples of {given.images:,} images, {given.models} models (at most {MOST_SECONDS} s)")
    designs = {
        "alone": (None, np.ones_like(right)),
        "balanced": (None, balanced),
        "groups": (groups, np.ones_like(right)),
    }
    for name, (together, weights) in designs.items():
        strata = strata_of(classes, together)
        began = time.perf_counter()
        estimate_accuracies(right, weights, strata, resampling)
        half = time.perf_counter()
        estimate_contrasts(contrasts, strata, np.ones(len(pairs)), resampling)
        ended = time.perf_counter()
        print(
            f"{name}: accuracies {half - began:.2f} s, differences {ended - half:.2f} s, together {ended - began:.2f} s"
        )


if __name__ == "__main__":
    main()
