"""A float32 ONNX file with its matrices in int8.

Weights get a scale per output channel. Activations get theirs from calibration images ("static"), or anew from every
batch ("dynamic"), which costs a convolution more than it saves, but suits the matrix products of a Transformer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from visavis.engine.engines.onnx_file import INPUT, quiet
from visavis.errors import VisavisError
from visavis.zoo.files import replacing

Activations = Literal["static", "dynamic"]
_PRODUCTS = ("MatMul", "Gemm")
# A ReLU that keeps its place between int8 convolutions halves the range that they must cover.
_CONVOLUTIONAL = (*_PRODUCTS, "Conv", "Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean")


def quantize(
    source: Path, path: Path, activations: Activations, calibration: Sequence[Tensor], *, convolutions: bool
) -> None:
    """Writes `source` with int8 weights to `path`, whole or not at all.

    Args:
        source: A float32 file by `export_onnx`.
        path: Of the new file.
        activations: Where the scales of activations come from.
        calibration: For "static", batches of preprocessed images float32 [batch, 3, side, side].
        convolutions: Whether all that lies between convolutions becomes int8 too. In a Transformer only products with
            weights do: its one convolution reads raw pixels, and its sums carry a few values far above all others.

    Raises:
        VisavisError: There are no calibration images, or the file cannot be written.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if activations == "static" and not calibration:
        raise VisavisError("int8 needs images to calibrate with, and there are none.")
    operations = _CONVOLUTIONAL if convolutions else _PRODUCTS
    shared = {
        "op_types_to_quantize": list(operations),
        "per_channel": True,
        "reduce_range": not multiplies_int8(),
        "weight_type": quantization.QuantType.QInt8,
        "extra_options": {"MatMulConstBOnly": True},
    }
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, quiet(), replacing(path) as temporary:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(source, prepared, skip_symbolic_shape=True)  # folds batch norm into convolutions
            if activations == "static":
                quantization.quantize_static(
                    prepared,
                    temporary,
                    _Calibration(calibration),
                    activation_type=quantization.QuantType.QUInt8,
                    **shared,
                )
            else:
                quantization.quantize_dynamic(prepared, temporary, **shared)
    except OSError as error:
        raise VisavisError(f"Cannot write {str(path)!r}: {error.strerror or error}. Free some space.") from error


def multiplies_int8() -> bool:
    """Whether the processor sums products of bytes in 32 bits (VNNI); others sum pairs in 16 bits, which overflow.

    Weights are then kept to seven bits.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "vnni" in flags or "asimddp" in flags


class _Calibration:
    """Batches as onnxruntime asks for them: one a call, then None."""

    def __init__(self, batches: Sequence[Tensor]) -> None:
        self._batches: Iterator[Tensor] = iter(batches)

    def get_next(self) -> dict[str, object] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch.contiguous().numpy()}
