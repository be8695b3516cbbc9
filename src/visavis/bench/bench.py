"""`visavis bench`: images and texts a second, with every engine that is installed and with every library asked for."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from visavis.bench.interleave import Timing, measure, multiplication_peak
from visavis.bench.rivals import check_libraries, open_images, open_texts
from visavis.engine.encoder import Encoder, load
from visavis.engine.engines.engine import EXACT, NARROW, missing_package
from visavis.errors import UsageError
from visavis.inspection.cost import count_macs
from visavis.zoo.opening import imagenet_names

OnProgress = Callable[[str, int, int], None]
PROMPTS = 1000  # one a class of ImageNet
_RIVALS_PROMPTS = 50


@dataclass(frozen=True, kw_only=True)
class Work:
    """One kind of work for one network.

    Attributes:
        model: The network.
        kind: "images" or "texts".
        reference: The rival, or engine, that ratios are taken against.
        gflops_per_item: Arithmetic of one item, 2 FLOPs a MAC; None where it is not the same for all.
        timings: Of everybody.
    """

    model: str
    kind: str
    reference: str
    gflops_per_item: float | None
    timings: tuple[Timing, ...]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that was measured, and where."""

    machine: dict[str, str | int | float]
    batch_size: int
    rounds: int
    work: tuple[Work, ...]

    def to_json(self) -> str:
        """Everything, for other programs."""
        return json.dumps(asdict(self), indent=1)


def run_bench(
    models: Sequence[str],
    against: Sequence[str],
    batch_size: int = 32,
    rounds: int = 5,
    on_progress: OnProgress = lambda *_: None,
) -> Bench:
    """Times networks with fresh weights, which are as quick as trained ones.

    Args:
        models: Architectures; what stands behind a dot, a checkpoint, is not looked at.
        against: Libraries out of `rivals.LIBRARIES`.
        batch_size: Images in a batch.
        rounds: How often everybody runs; medians are reported.
        on_progress: Called with what is going on, rounds done and rounds in all.

    Raises:
        UsageError: Unknown model or library, a library that is not installed, or impossible numbers.
    """
    if batch_size < 4 or rounds < 1:
        raise UsageError("A bench needs batches of at least 4 images, which calibrate int8, and at least one round.")
    check_libraries(tuple(against))
    peak = multiplication_peak()
    work: list[Work] = []
    for name in dict.fromkeys(model.partition(".")[0] for model in models):
        encoder = load(name, weights=None, engine="torch")
        work.append(_time_images(encoder, against, batch_size, rounds, on_progress))
        if encoder.has_text:
            work.append(_time_texts(encoder, against, rounds, on_progress))
    return Bench(machine=_machine(peak), batch_size=batch_size, rounds=rounds, work=tuple(work))


def _time_images(encoder: Encoder, against: Sequence[str], batch: int, rounds: int, on_progress: OnProgress) -> Work:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, encoder.image_size, encoder.image_size, generator=generator)
    runs: dict[str, Callable[[], object]] = {}
    for library in against:
        rival = open_images(library, encoder.name)
        if rival is not None:
            runs[library] = partial(rival, images)
    for engine in (*EXACT, *NARROW):
        if missing_package(engine) is None:
            ours = load(encoder.name, weights=None, engine=engine)
            runs[f"visavis {engine}"] = partial(ours.open_engine(batch, lambda _: images).encode, images)
    timings = _measure(f"{encoder.name} images", runs, dict.fromkeys(runs, batch), rounds, on_progress)
    macs = count_macs(encoder.image_tower, encoder.image_size)
    gflops = None if macs is None else 2 * macs / 1e9
    return Work(
        model=encoder.name, kind="images", reference=next(iter(runs)), gflops_per_item=gflops, timings=tuple(timings)
    )


def _time_texts(encoder: Encoder, against: Sequence[str], rounds: int, on_progress: OnProgress) -> Work:
    """ImageNet's prompts; a rival, which takes seconds for a batch of them, gets one batch a round."""
    prompts = [f"a photo of a {name}." for name in imagenet_names()[:PROMPTS]]
    runs: dict[str, Callable[[], object]] = {}
    items: dict[str, int] = {}
    for library in against:
        rival = open_texts(library, encoder.name)
        if rival is not None:
            tokenize, encode = rival
            few = prompts[:: PROMPTS // _RIVALS_PROMPTS]
            runs[library], items[library] = partial(_read, tokenize, encode, few), len(few)
    runs["visavis"], items["visavis"] = partial(encoder.encode_texts, prompts), len(prompts)
    timings = _measure(f"{encoder.name} texts", runs, items, rounds, on_progress)
    return Work(
        model=encoder.name, kind="texts", reference=next(iter(runs)), gflops_per_item=None, timings=tuple(timings)
    )


def _read(
    tokenize: Callable[[list[str]], torch.Tensor], encode: Callable[[torch.Tensor], object], texts: list[str]
) -> object:
    return encode(tokenize(texts))


def _measure(
    title: str, runs: dict[str, Callable[[], object]], items: dict[str, int], rounds: int, on_progress: OnProgress
) -> list[Timing]:
    return measure(runs, items, next(iter(runs)), rounds, lambda _, done, of: on_progress(title, done, of))


def _machine(peak: float) -> dict[str, str | int | float]:
    versions = {}
    for package in ("torch", "onnxruntime", "openvino", "open_clip_torch", "torchvision", "timm", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "peak_gflops": round(peak, 1),
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
