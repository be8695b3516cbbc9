"""Batches of images as a processor with AVX2 alone would encode them: all libraries are told that this one has no more.

    .venv-peers/bin/python benchmarks/avx2.py

Needs Linux, a C compiler, and a processor with CPUID faulting (`grep cpuid_fault /proc/cpuinfo`): the program starts
itself again behind avx2_only.c. Clock, memory and caches are still this machine's, so this shows what the instructions
are worth and no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SHIM = Path(__file__).with_name("avx2_only.c")
NETWORKS = ("ViT-B-32", "RN50", "resnet50")
PEERS = ("open_clip", "torchvision", "timm", "transformers")


def main() -> None:
    """Prints one row a network and runner."""
    from visavis.bench import bench, setting
    from visavis.engine.engines import int8, quantize

    for module in (bench, int8, quantize):
        module.byte_products = lambda: "plain"  # the system still tells all that the processor can do
    setting.NARROW = ("onnx-int8", "openvino-int8")  # bfloat16 takes minutes a batch without instructions
    found = bench.run_bench(NETWORKS, PEERS, work=("images",), rounds=3)
    print(f"{found.machine['processor']}, {found.machine['peak_gflops']} GFLOP/s of float32 by AVX2 alone")
    print(
        "| network | by | images/s | over the fastest peer | of the peak | cosine, least |\n|---|---|---|---|---|---|"
    )
    for measured in found.measured:
        for row in measured.results:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            share = "" if row.peak_share is None else f"{row.peak_share:.0%}"
            rate, cosine = row.timing.per_second, row.cosine
            print(f"| {measured.model} | {row.name} | {rate:.1f} | {ratio} | {share} | {cosine:.4f} |")


def start_again() -> None:
    """Runs this file once more, behind the shim."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "avx2_only.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SHIM], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        raise SystemExit(subprocess.run([sys.executable, __file__], env=environment, check=False).returncode)


if __name__ == "__main__":
    main() if "LD_PRELOAD" in os.environ else start_again()
