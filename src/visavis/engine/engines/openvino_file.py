"""The same ONNX files in OpenVINO, which multiplies in bfloat16 and int8 where the processor does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

# Neighbouring numbers of a token that share a scale where weights are int8. On ViT-B/32, 32 of them give 0.68, 64 give
# 0.77 and 256 give 0.90 of the speed of scales from calibration; the embedded ViTs keep equally many answers with all.
ROUNDED_TOGETHER = 256


def open_compiled(path: Path, precision: Literal["f32", "bf16"]) -> Callable[[Tensor], Tensor]:
    """A file as a function from images to vectors. `precision` is that of what is not stored as int8."""
    import openvino

    settings: dict[str, str | int] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",  # all threads on one batch
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": ROUNDED_TOGETHER,
    }
    compiled = openvino.Core().compile_model(path, "CPU", settings)

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(compiled(images.contiguous().numpy())[0].copy())

    return run


def multiplies_bfloat16() -> bool:
    """Whether OpenVINO finds a processor that multiplies bfloat16."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
