"""Rivals in turn on the same input, round after round, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One rival's speed.

    Attributes:
        per_second: Items a second, by the median round.
        slowest, fastest: The same by the slowest and the fastest round.
    """

    per_second: float
    slowest: float
    fastest: float


def measure(
    runs: Mapping[str, Callable[[], object]],
    items: Mapping[str, int],
    rounds: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Timing]:
    """Times each run once a round; a first round, which warms up, is not counted.

    Args:
        runs: What to time, by name.
        items: How many items one run of each does.
        rounds: How many rounds count.
        progress: Called with rounds done and rounds in all.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1 + rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken = time.perf_counter() - start
            if number:
                seconds[name].append(taken)
        progress(number, rounds)
    speeds = {name: [items[name] / taken for taken in times] for name, times in seconds.items()}
    return {
        name: Timing(per_second=statistics.median(values), slowest=min(values), fastest=max(values))
        for name, values in speeds.items()
    }


def multiplication_peak(rounds: int = 16, size: int = 2048) -> float:
    """The fastest that float32 matrices are multiplied on this machine's threads, in GFLOP/s.

    By PyTorch and by NumPy, in turn: which library is quicker depends on who made the processor.
    """
    a, b, into = torch.ones(size, size), torch.ones(size, size), torch.empty(size, size)
    products = (
        lambda: torch.mm(a, b, out=into),
        lambda: np.matmul(a.numpy(), b.numpy(), out=into.numpy()),
    )
    best = 0.0
    with threadpool_limits(torch.get_num_threads()):
        for _ in range(rounds):
            for multiply in products:
                start = time.perf_counter()
                multiply()
                best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
    return best
