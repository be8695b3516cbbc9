"""`visavis bench`: every kind of work, with every engine that is installed and in every library asked for.

A new kind of work is one file `work_*.py` with a function from a `Setting` to a `Contest`, or to None where a model
cannot do it, and one line in `WORK`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from visavis.bench import work_captions, work_images, work_jpegs, work_texts
from visavis.bench.contest import Contest, OnProgress, Result, run_contest
from visavis.bench.interleave import multiplication_peak
from visavis.bench.rivals import check_libraries
from visavis.bench.setting import Setting
from visavis.bench.targets import Judged, judge, targets
from visavis.engine.engines.processor import byte_products
from visavis.errors import UsageError, did_you_mean
from visavis.zoo.finding import find_config

WORK: dict[str, Callable[[Setting], Contest | None]] = {
    "images": work_images.batches,
    "one-image": work_images.one_image,
    "texts": work_texts.prompts,
    "classifier": work_texts.classifier,
    "captions": work_captions.captions,
    "photographs": work_jpegs.twelve_megapixels,
    "small-jpegs": work_jpegs.small,
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One contest's outcome; `model`, `work` and `unit` are its own."""

    model: str
    work: str
    unit: str
    results: tuple[Result, ...]
    judged: tuple[Judged, ...]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that was measured, and where."""

    machine: dict[str, str | int | float]
    rounds: int
    measured: tuple[Measured, ...]

    def to_json(self) -> str:
        """Everything, for other programs."""
        return json.dumps(asdict(self), indent=1)


def run_bench(
    models: Sequence[str],
    against: Sequence[str],
    work: Sequence[str] = (),
    batch_size: int = 32,
    rounds: int = 5,
    on_progress: OnProgress = lambda *_: None,
) -> Bench:
    """Times networks with fresh weights, which are as quick as trained ones.

    Args:
        models: Architectures; what stands behind a dot, a checkpoint, is not looked at.
        against: Libraries out of `rivals.LIBRARIES`.
        work: Kinds of work out of `WORK`; all when empty.
        batch_size: Images in a batch.
        rounds: How often everybody runs; medians are reported.
        on_progress: Called with what is going on, rounds done and rounds in all.

    Raises:
        UsageError: Unknown model, library or work, a library that is not installed, or impossible numbers.
    """
    if batch_size < 4 or rounds < 1:
        raise UsageError("A bench needs batches of at least 4 images, which calibrate int8, and at least one round.")
    check_libraries(tuple(against))
    for name in work:
        if name not in WORK:
            raise UsageError(f"There is no work {name!r}. {did_you_mean(name, WORK)} Known are {', '.join(WORK)}.")
    names = list(dict.fromkeys(model.partition(".")[0] for model in models))
    for name in names:
        find_config(name)  # says now what is misspelt
    peak = multiplication_peak()
    measured: list[Measured] = []
    for name in names:
        setting = Setting(name, against, batch_size)
        for kind in work or WORK:
            on_progress(f"{name}: preparing {kind}", 0, 1)
            contest = WORK[kind](setting)
            on_progress(f"{name}: preparing {kind}", 1, 1)
            if contest is not None:
                measured.append(_measured(contest, run_contest(contest, rounds, peak, on_progress)))
    return Bench(machine=_machine(peak), rounds=rounds, measured=tuple(measured))


def _measured(contest: Contest, results: tuple[Result, ...]) -> Measured:
    judged = judge(contest.work, contest.model, results, targets(multiplies_int8=byte_products() != "plain"))
    return Measured(model=contest.model, work=contest.work, unit=contest.unit, results=results, judged=tuple(judged))


def _machine(peak: float) -> dict[str, str | int | float]:
    versions = {}
    for package in ("torch", "onnxruntime", "openvino", "open_clip_torch", "torchvision", "timm", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "peak_gflops": round(peak, 1),
        "byte_products": byte_products(),
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
