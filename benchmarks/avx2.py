"""Batches of images as a processor with AVX2 alone would encode them: PyTorch and OpenVINO are told to use no more.

    .venv-peers/bin/python benchmarks/avx2.py

int8 has seven bits then, and activations with scales from calibration. ONNX Runtime cannot be told and is left out.
Clock, memory and caches are still this machine's, so this shows what the instructions are worth and no more.
"""

from __future__ import annotations

import os

os.environ.update(  # read by the libraries when they are loaded
    ATEN_CPU_CAPABILITY="avx2",
    MKL_ENABLE_INSTRUCTIONS="AVX2",
    ONEDNN_MAX_CPU_ISA="AVX2",
    OPENBLAS_CORETYPE="Haswell",
)

from visavis.bench import bench, setting  # behind the settings
from visavis.engine.engines import int8, quantize

NETWORKS = ("ViT-B-32", "RN50", "resnet50")
PEERS = ("open_clip", "torchvision", "timm", "transformers")


def main() -> None:
    """Prints one row a network and runner."""
    for module in (bench, int8, quantize):
        module.byte_products = lambda: "plain"
    int8.multiplies_bfloat16 = lambda: False
    setting.EXACT, setting.NARROW = ("torch", "openvino"), ("openvino-int8",)
    found = bench.run_bench(NETWORKS, PEERS, work=("images",), rounds=3)
    print(f"{found.machine['processor']}, {found.machine['peak_gflops']} GFLOP/s of float32 by AVX2 alone")
    print("| network | by | images/s | over the fastest peer | cosine, least |\n|---|---|---|---|---|")
    for measured in found.measured:
        for row in measured.results:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            print(f"| {measured.model} | {row.name} | {row.timing.per_second:.1f} | {ratio} | {row.cosine:.4f} |")


if __name__ == "__main__":
    main()
