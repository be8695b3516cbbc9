"""One kind of work, done by everybody who can: how fast each is, and how near the others' results.

The one idea: a speed without its exactness says nothing, so what a runner gives while it is timed is also compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from visavis.bench.interleave import Timing, measure

Kind = Literal["peer", "runtime", "float32", "bf16", "int8"]
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Somebody who does the work.

    Attributes:
        name: Of a library, or visavis and its engine.
        kind: "peer" for another library, "runtime" for ONNX Runtime as its users have it; else the numbers that
            visavis multiplies.
        run: Does it once and gives the result, an array with one row an item.
        items: How much one run does; slow peers do a part.
        compared: Which rows of the result stand for those of `Contest.expected`.
    """

    name: str
    kind: Kind
    run: Callable[[], np.ndarray]
    items: int
    compared: slice = field(default_factory=lambda: slice(None))


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A kind of work for one model.

    Attributes:
        work: Its name in tables and in `targets.TARGETS`.
        model: Whose.
        unit: What is counted a second.
        runners: Peers first.
        expected: What the result should be, or None where there is nothing to compare with.
        gflops: Arithmetic of one item, 2 FLOPs a MAC; None where it is not the same for all.
    """

    work: str
    model: str
    unit: str
    runners: tuple[Runner, ...]
    expected: np.ndarray | None
    gflops: float | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one runner reached.

    Attributes:
        name, kind: As in `Runner`.
        timing: How fast.
        ratio: Speed over the fastest peer's; None for peers, and where there are none.
        difference: The largest difference from what was expected, as a share of the largest value.
        cosine: The least cosine between a row and the expected one.
        peak_share: Its arithmetic over what the machine multiplies at most in float32; above 1 for narrower numbers.
    """

    name: str
    kind: Kind
    timing: Timing
    ratio: float | None
    difference: float | None
    cosine: float | None
    peak_share: float | None


def run_contest(contest: Contest, rounds: int, peak: float, on_progress: OnProgress) -> tuple[Result, ...]:
    """Times all runners in turn, and compares what they give.

    Args:
        contest: Who and what.
        rounds: How many rounds count, after one that warms up and whose results are compared.
        peak: GFLOP/s of matrix multiplication.
        on_progress: Called with the work's name, rounds done and rounds in all.
    """
    given: dict[str, np.ndarray] = {}

    def once(runner: Runner) -> None:
        found = runner.run()
        given.setdefault(runner.name, found[runner.compared])

    timings = measure(
        {runner.name: lambda runner=runner: once(runner) for runner in contest.runners},  # type: ignore[misc]
        {runner.name: runner.items for runner in contest.runners},
        rounds,
        lambda done, of: on_progress(f"{contest.model}: {contest.work}", done, of),
    )
    peers = [timings[runner.name].per_second for runner in contest.runners if runner.kind == "peer"]
    results = []
    for runner in contest.runners:
        timing = timings[runner.name]
        difference, cosine = compare(given[runner.name], contest.expected)
        results.append(
            Result(
                name=runner.name,
                kind=runner.kind,
                timing=timing,
                ratio=timing.per_second / max(peers) if peers and runner.kind != "peer" else None,
                difference=difference,
                cosine=cosine,
                peak_share=None if contest.gflops is None else timing.per_second * contest.gflops / peak,
            )
        )
    return tuple(results)


def compare(found: np.ndarray, expected: np.ndarray | None) -> tuple[float | None, float | None]:
    """Largest relative difference and least cosine, of rows [items, numbers].

    >>> compare(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]))
    (0.25, 0.96)
    """
    if expected is None or found.shape != expected.shape:
        return None, None
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return float(np.abs(found - expected).max() / np.abs(expected).max()), float(cosines.min())
