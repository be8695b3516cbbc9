"""A job's pieces made by many machines: Ray Data over the same code.

The one idea: a machine is told numbers and gives back finished pieces, as the bytes of their files. It goes through
the source itself, so but for the model, once, only numbers and vectors travel; what it reads is held to the hash of
what was listed. The process that was started by the user alone writes. Where a machine dies, Ray gives its numbers to
another one, and where that process dies, the same command goes on from the pieces that it wrote, with Ray or without.

All machines need visavis, and must see the images under the same paths. The cluster is the one that RAY_ADDRESS names
or that `ray start` has begun here; without one, Ray starts its own on this machine.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from visavis.bulk.job import PIECE, Encode, Job, Told, make_pieces
from visavis.errors import UsageError, VisavisError

RUN = 16  # pieces that follow one another, and are made without a pause between them
RUNS_A_WORKER = 4  # at least, where there are so many pieces: the slowest shall not keep the others waiting


def check_ray() -> None:
    """Raises UsageError where Ray is not installed, with the pip line."""
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--ray needs Ray ({error}). Install it by: pip install 'ray[data]'.") from error


def make_on_ray(job: Job, encode: Encode, numbers: Sequence[int], told: Told) -> Iterator[tuple[int, bytes]]:
    """Pieces of a job with their numbers, in any order, as `make_pieces`; `encode` is this machine's, and rests.

    Raises:
        VisavisError: The images changed meanwhile, a machine computes otherwise than this one, or the cluster is lost.
    """
    import ray
    from ray.exceptions import RayError

    with _cluster(ray):
        cpus, workers = _workers(ray)
        size = min(RUN, max(1, len(numbers) // (RUNS_A_WORKER * workers)))
        runs = [{"numbers": list(numbers[start : start + size])} for start in range(0, len(numbers), size)]
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers)
        made = ray.data.from_items(runs, override_num_blocks=len(runs)).map_batches(
            _Maker, fn_constructor_args=(job,), batch_size=1, num_cpus=cpus, compute=pool
        )
        try:
            for row in made.iter_rows():
                told(min(PIECE, job.survey.total - row["number"] * PIECE))
                yield row["number"], row["piece"]
        except RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, VisavisError):
                raise VisavisError(str(cause).partition("\n")[0]) from error  # Ray adds lines of its own
            raise VisavisError(
                f"Ray stopped: {' '.join(str(error).split())[:500]}. What was embedded is kept; the same command goes "
                "on from there."
            ) from error


class _Maker:
    """What lives on a machine; the first call opens the model, as Ray tells little of what fails in a constructor."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._encode: Encode | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[pa.Table]:
        """One row a piece: its number, and the bytes of its file."""
        self._encode = self._encode or self._open()
        numbers = [int(number) for number in batch["numbers"][0]]
        for number, piece in make_pieces(self._job, self._encode, numbers, told=lambda n_images: None):
            yield pa.table({"number": [number], "piece": pa.array([piece], pa.large_binary())})

    def _open(self) -> Encode:
        _, identity, encode = self._job.work.open(self._job.survey.total, self._job.engine)
        if identity != self._job.identity:
            raise VisavisError(
                f"The machine {os.uname().nodename!r} computes with {identity!r}, and the one that was asked with "
                f"{self._job.identity!r}: their vectors would differ. Install the same versions on both."
            )
        return encode


@contextlib.contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """Connected, and quiet: progress is shown by whoever asked for the job."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong comes as an exception
    connected = ray.is_initialized()
    if not connected:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised as well
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        if not connected:
            ray.shutdown()


def _workers(ray: Any) -> tuple[int, int]:
    """Processor cores of a worker, those of the smallest machine, and how many such workers the cluster holds."""
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    usable = [number for number in cores if number]
    if not usable:
        raise VisavisError("No machine of the Ray cluster offers a processor core. Add one: ray start --address=...")
    return min(usable), sum(number // min(usable) for number in usable)
