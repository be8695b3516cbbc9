"""Where the time goes: the kinds of operations of each network in OpenVINO, and how much of the arithmetic peak it is.

    python benchmarks/operations.py                            the tables of docs/bench.md
    python benchmarks/operations.py resnet50 --engine openvino --batch 1

The peak is that of float32 matrices; with VNNI int8 can reach four times as much, and bfloat16 twice.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Literal

import openvino
import torch

from visavis.bench.interleave import multiplication_peak
from visavis.bench.setting import Setting
from visavis.engine.engines.int8 import write_int8
from visavis.engine.engines.onnx_file import export_onnx
from visavis.engine.engines.openvino_file import ROUNDED_TOGETHER, multiplies_bfloat16, open_compiled

CASES = (
    ("ViT-B-32", "openvino-int8", 32), ("resnet50", "openvino-int8", 32), ("RN50", "openvino-int8", 32),
    ("ViT-B-32", "openvino", 1), ("resnet50", "openvino", 1),
)  # fmt: skip
RUNS = 10
LEAST = 0.01  # of the time, for a row of its own


def main() -> None:
    """Prints one table a network."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--engine", choices=("openvino", "openvino-int8"), default="openvino-int8")
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    cases = [(name, given.engine, given.batch) for name in given.networks] or CASES
    peak = multiplication_peak()
    print(f"float32 matrices: {peak:.0f} GFLOP/s")
    for name, engine, batch in cases:
        setting = Setting(name, (), max(batch, 4))
        seconds, kinds = shares_of_time(setting, engine, setting.pixels[:batch])
        assert setting.gflops is not None, "all of these networks can be counted"
        share = setting.gflops * batch / seconds / peak
        print(f"\n**{name}, {engine}, {batch} at once**: {batch / seconds:.1f} images/s, {share:.0%} of that peak\n")
        print("| operation | by | share of the time |\n|---|---|---|")
        for (kind, by), part in sorted(kinds.items(), key=lambda item: -item[1]):
            if part >= LEAST:
                print(f"| {kind} | `{by}` | {part:.0%} |", flush=True)


def shares_of_time(setting: Setting, engine: str, images: torch.Tensor) -> tuple[float, dict[tuple[str, str], float]]:
    """Seconds of a batch as the engine takes them, and the share of each kind of operation, counted by OpenVINO."""
    network = setting.encoder("torch").feature_network
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(network, path)
        if engine == "openvino-int8":
            path = write_int8("openvino", network, path, setting.pixels).path
        precision: Literal["f32", "bf16"] = "bf16" if engine == "openvino-int8" and multiplies_bfloat16() else "f32"
        encode, taken = open_compiled(path, precision), []
        for _ in range(1 + RUNS):
            began = time.perf_counter()
            encode(images)
            taken.append(time.perf_counter() - began)
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": ROUNDED_TOGETHER,
            "PERF_COUNT": True,
        }
        counting = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
        kinds: dict[tuple[str, str], float] = defaultdict(float)
        for _ in range(1 + RUNS):
            counting.infer([images.numpy()])
            for step in counting.profiling_info:
                kinds[step.node_type, step.exec_type] += step.real_time.total_seconds()
    whole = sum(kinds.values())
    return sorted(taken[1:])[RUNS // 2], {kind: seconds / whole for kind, seconds in kinds.items()}


if __name__ == "__main__":
    main()
