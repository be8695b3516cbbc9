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

Runtime = Literal["onnx", "openvino"]
_PRODUCTS = ("MatMul", "Gemm")
# ONNX Runtime stays in int8 from one convolution to the next. OpenVINO loses little speed where sums and pooling keep
# their own precision, and vectors get nearer. A ReLU that keeps its place halves the range that int8 must cover.
_CONVOLUTIONAL: dict[Runtime, tuple[str, ...]] = {
    "onnx": (*_PRODUCTS, "Conv", "Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"),
    "openvino": ("Conv", "Relu"),
}


def is_dynamic(runtime: Runtime, *, convolutions: bool) -> bool:
    """Whether activations get their scales anew from every batch, by what is quicker and nearer in a runtime."""
    return runtime == "onnx" and not convolutions


def quantize(source: Path, path: Path, runtime: Runtime, calibration: Sequence[Tensor], *, convolutions: bool) -> None:
    """Writes `source` with int8 weights to `path`, whole or not at all.

    Args:
        source: A float32 file by `export_onnx`.
        path: Of the new file.
        runtime: What will run it.
        calibration: Batches of preprocessed images float32 [batch, 3, side, side].
        convolutions: Whether convolutions become int8. In a Transformer only products with weights do: its one
            convolution reads raw pixels, and its sums carry a few values far above all others.

    Raises:
        VisavisError: There are no calibration images, or the file cannot be written.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not calibration:
        raise VisavisError("int8 needs images to calibrate with, and there are none.")
    operations = _CONVOLUTIONAL[runtime] if convolutions else _PRODUCTS
    shared = {
        "op_types_to_quantize": list(operations),
        "per_channel": True,
        "reduce_range": not multiplies_int8(),
        "weight_type": quantization.QuantType.QInt8,
        # What a Transformer's products give is added to float sums or enters a softmax: rounding it would buy nothing.
        "extra_options": {
            "MatMulConstBOnly": True,
            "OpTypesToExcludeOutputQuantization": [] if convolutions else list(_PRODUCTS),
        },
    }
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, quiet(), replacing(path) as temporary:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(source, prepared, skip_symbolic_shape=True)  # folds batch norm into convolutions
            if is_dynamic(runtime, convolutions=convolutions):
                quantization.quantize_dynamic(prepared, temporary, **shared)
            else:
                quantization.quantize_static(
                    prepared,
                    temporary,
                    _Calibration(calibration),
                    activation_type=quantization.QuantType.QUInt8,
                    nodes_to_exclude=_kept_float(prepared),
                    **shared,
                )
    except OSError as error:
        raise VisavisError(f"Cannot write {str(path)!r}: {error.strerror or error}. Free some space.") from error


def _kept_float(file: Path) -> list[str]:
    """Names of nodes that do not become int8: products without weights, which attention takes, and what reads pixels.

    A first convolution is a few hundredths of the arithmetic and much of the error. With it in float32, RN-mini's mean
    cosine in ONNX Runtime is 0.9993 and 96.6% of its answers stay; without, 0.9980 and 95.0% (benchmarks/int8.py;
    resnet-mini's cosine gains less, and 97.8 and 98.2% of its answers stay). OpenVINO 2026.4 computes something else
    altogether where an input is negative as well as positive, as pixels alone are, and padded: cosines of 0.4 on a
    small ResNet.
    """
    import onnx

    graph = onnx.load(file).graph
    weights = {tensor.name for tensor in graph.initializer}
    products = [node.name for node in graph.node if node.op_type == "MatMul" and weights.isdisjoint(node.input)]
    pixels = [node.name for node in graph.node if INPUT in node.input]
    return products + pixels


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
