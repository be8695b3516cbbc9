"""The same ONNX files in OpenVINO, which multiplies in bfloat16 and int8 where the processor does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from visavis.engine.engines.engine import MOST_PARTS

# Neighbouring numbers of a token that share a scale where weights are int8. On ViT-B/32, 32 of them give 0.68, 64 give
# 0.77 and 256 give 0.90 of the speed of scales from calibration; the embedded ViTs keep equally many answers with all.
ROUNDED_TOGETHER = 256


def open_compiled(path: Path, precision: Literal["f32", "bf16"]) -> Callable[[Tensor], Tensor]:
    """A file as a function from images to vectors. `precision` is that of what is not stored as int8.

    One image gets all threads. Of several each thread takes a part, so that none waits for another after every layer:
    with int8, 32 images on 2 threads took a seventh less time with ViT-B/32, a fiftieth less with ResNet-50.
    """
    import openvino

    core, threads = openvino.Core(), torch.get_num_threads()
    model = core.read_model(path)

    @cache
    def requests(parts: int) -> list[Any]:
        settings: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": parts,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": ROUNDED_TOGETHER,
        }
        compiled = core.compile_model(model, "CPU", settings)
        return [compiled.create_infer_request() for _ in range(parts)]

    def run(images: Tensor) -> Tensor:
        asked = requests(min(threads, MOST_PARTS) if len(images) > 1 else 1)
        parts = images.contiguous().tensor_split(min(len(asked), len(images)))
        running = list(zip(asked, parts, strict=False))  # a batch may have fewer images
        for request, part in running:
            request.start_async([part.numpy()], share_inputs=True)
        for request, _ in running:
            request.wait()
        return torch.cat([torch.from_numpy(request.get_output_tensor(0).data) for request, _ in running])

    return run


def multiplies_bfloat16() -> bool:
    """Whether OpenVINO finds a processor that multiplies bfloat16."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
