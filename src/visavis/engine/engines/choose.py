"""Which engine computes: the one asked for, or the quickest exact one, by a short measurement that is remembered.

The one idea: nobody knows beforehand which library is quickest for a network on a machine, so it is measured, on the
user's own images, and only where the work is long enough to pay for it. Numbers narrower than float32 are taken only
where they are asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from visavis.engine.engines.engine import EXACT, PACKAGES, Engine, check_engine, identity, missing_package
from visavis.engine.engines.int8 import CALIBRATION, open_int8
from visavis.engine.engines.lean import lean_tower
from visavis.engine.engines.network import ImageTower, Network
from visavis.engine.engines.onnx_file import TOLERANCE, compare_file, export_onnx, open_session
from visavis.engine.engines.openvino_file import open_compiled
from visavis.engine.engines.processor import description
from visavis.errors import VisavisError
from visavis.zoo.files import replacing

WORTH_MEASURING = 20.0  # seconds that PyTorch would need; an export takes five to ten
BATCH = 32  # images that are measured
_ROUNDS = 3


Examples = Callable[[int], Tensor]  # at most so many preprocessed images, float32 [images, 3, side, side]


def torch_engine(network: Network, said: str) -> Engine:
    """PyTorch in float32."""
    encode = partial(_run, lean_tower(network))
    return Engine(name="torch", identity=identity("torch", "float32"), encode=encode, said=said)


def open_engine(name: str, network: Network, cache: Path, examples: Examples) -> Engine:
    """An engine by its name.

    Args:
        name: As in `EXACT` and `NARROW`.
        network: What it computes.
        cache: Where exported files are kept.
        examples: Called only where int8 is calibrated.

    Raises:
        UsageError: No such engine, or its library is missing.
        VisavisError: The network cannot be exported.
    """
    check_engine(name)
    if name == "torch":
        return torch_engine(network, "as asked")
    if name == "torch-bf16":
        narrow = partial(_run_narrowly, lean_tower(network))
        return Engine(name=name, identity=identity("torch", "bfloat16"), encode=narrow, said="as asked")
    file = exported(network, cache)
    if name.endswith("-int8"):
        return open_int8(name, network, file, examples(CALIBRATION))
    if name == "onnx":
        known, encode = identity("onnxruntime", "float32"), open_session(file)
    elif name == "openvino":
        known, encode = identity("openvino", "float32"), open_compiled(file, "f32")
    else:
        known, encode = identity("openvino", "bfloat16"), open_compiled(file, "bf16")
    return Engine(name=name, identity=known, encode=encode, said="as asked")


def exported(network: Network, cache: Path) -> Path:
    """The network as an ONNX file in the cache; written where it is not there, or no longer agrees with PyTorch."""
    key = hashlib.sha256(f"{network.fingerprint()} {identity('torch', 'onnx')} {identity('onnxscript', '')}".encode())
    path = cache / "onnx" / f"{key.hexdigest()}.onnx"
    if not path.is_file() or not compare_file(path, network.encode, network.preprocess.image_size) <= TOLERANCE:
        export_onnx(network, path)
    return path


def choose_engine(network: Network, n_images: int, cache: Path, examples: Examples) -> Engine:
    """The quickest exact engine for so much work on this machine; PyTorch where the work is too short for a choice.

    Args:
        network: What is computed.
        n_images: How many images are to be encoded.
        cache: Where exported files and measurements are kept.
        examples: Of the images; called only where something is measured.
    """
    rivals = [name for name in EXACT if name != "torch" and missing_package(name) is None]
    if not rivals:
        return torch_engine(network, "no other engine is installed")
    if n_images < BATCH:
        return torch_engine(network, "so few images are done before another engine is ready")
    record = cache / "engines" / f"{_machine_and(network, rivals)}.json"
    best = _recall(record)
    if best is None:
        images = examples(BATCH)
        needed = _seconds(network.encode, images) / len(images) * n_images
        if needed < WORTH_MEASURING:
            return torch_engine(network, f"{needed:.0f} s of work are done before another engine is ready")
        best = _measure(network, rivals, images, cache)
        _remember(record, best)
    return replace(open_engine(best["name"], network, cache, examples), said=best["said"])


def _measure(network: Network, rivals: list[str], images: Tensor, cache: Path) -> dict[str, str]:
    """Interleaved rounds on the same images; the medians decide."""
    try:
        encoders = {name: open_engine(name, network, cache, lambda _: images).encode for name in ("torch", *rivals)}
    except VisavisError as error:
        return {"name": "torch", "said": str(error)}
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    for round_number in range(1 + _ROUNDS):
        for name, encode in encoders.items():
            taken = _seconds(encode, images)
            if round_number:  # the first one warms up
                seconds[name].append(taken)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    speeds = ", ".join(f"{name} {len(images) / median:.1f}" for name, median in medians.items())
    return {"name": min(medians, key=medians.__getitem__), "said": f"the quickest here, in images/s: {speeds}"}


def _seconds(encode: Callable[[Tensor], Tensor], images: Tensor) -> float:
    start = time.perf_counter()
    encode(images)
    return time.perf_counter() - start


def _machine_and(network: Network, rivals: list[str]) -> str:
    """Everything that may change which engine is quickest, as a name."""
    versions = [identity("torch", ""), *(identity(PACKAGES[name][0], "") for name in rivals)]
    machine = [description(), torch.get_num_threads(), *versions]
    return hashlib.sha256(json.dumps([*machine, network.settings]).encode()).hexdigest()


def _recall(record: Path) -> dict[str, str] | None:
    """A choice made before, or None where there is none that can be read."""
    try:
        best = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(best, dict) and best.get("name") in EXACT and isinstance(best.get("said"), str)
    return best if fits else None


def _remember(record: Path, best: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # on a full disk it is measured again next time
        record.parent.mkdir(parents=True, exist_ok=True)
        with replacing(record) as temporary:
            temporary.write_text(json.dumps(best), encoding="utf-8")


@torch.inference_mode()
def _run(tower: ImageTower, images: Tensor) -> Tensor:
    """In the order of memory in which convolutions are quickest."""
    return tower(images.contiguous(memory_format=torch.channels_last))


@torch.inference_mode()
def _run_narrowly(tower: ImageTower, images: Tensor) -> Tensor:
    """Under autocast, which keeps norms and sums in float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return _run(tower, images).float()
