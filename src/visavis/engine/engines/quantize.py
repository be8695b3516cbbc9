"""A float32 ONNX file with its matrices in int8.

Weights get a scale per output channel. Activations get theirs from calibration images ("static"), or anew as they come
("dynamic"), which costs a convolution more than it saves, but suits the matrix products of a Transformer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from torch import Tensor

from visavis.engine.engines.onnx_file import INPUT, quiet
from visavis.engine.engines.processor import byte_products
from visavis.errors import VisavisError
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    from onnx import GraphProto

Runtime = Literal["onnx", "openvino"]
SMALLEST = 1e-30  # the least largest weight of a channel, so that none is divided by nothing
_PRODUCTS = ("MatMul", "Gemm")
# ONNX Runtime stays in int8 from one convolution to the next. OpenVINO loses no speed where only what a convolution
# reads is rounded, and what it gives is not: RN-mini's mean cosine is then 0.9995 in place of 0.9993.
_CONVOLUTIONAL: dict[Runtime, tuple[str, ...]] = {
    "onnx": (*_PRODUCTS, "Conv", "Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"),
    "openvino": ("Conv",),
}
_FLOAT_CONVOLUTIONS = 2  # how many, one after the other, stay float32


def is_dynamic(runtime: Runtime, *, convolutions: bool) -> bool:
    """Whether activations get their scales as they come: by what is quicker and nearer in a runtime.

    OpenVINO gives each image's tokens scales of their own, but only with VNNI. In the tiles of AMX it would multiply
    such weights as bfloat16, slower than a file without int8.
    """
    return not convolutions and (runtime == "onnx" or byte_products() == "vnni")


def quantize(source: Path, path: Path, runtime: Runtime, calibration: Sequence[Tensor], *, convolutions: bool) -> None:
    """Writes `source` with int8 weights to `path`, whole or not at all.

    Args:
        source: A float32 file by `export_onnx`.
        path: Of the new file.
        runtime: What will run it.
        calibration: Batches of preprocessed images float32 [batch, 3, side, side].
        convolutions: Whether convolutions become int8. In a Transformer only products with weights do: its one
            convolution reads raw pixels, and its sums carry a few values far above all others. With scales from
            calibration, only those that read a layer norm.

    Raises:
        VisavisError: There are no calibration images, or the file cannot be written.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not calibration:
        raise VisavisError("int8 needs images to calibrate with, and there are none.")
    operations = _CONVOLUTIONAL[runtime] if convolutions else _PRODUCTS
    shared = {
        "op_types_to_quantize": list(operations),
        "per_channel": True,
        "reduce_range": byte_products() == "plain",
        "weight_type": quantization.QuantType.QInt8,
        # What a Transformer's products give is added to float sums or enters a softmax: rounding it would buy nothing.
        "extra_options": {
            "MatMulConstBOnly": True,
            "OpTypesToExcludeOutputQuantization": [] if convolutions and runtime == "onnx" else list(operations),
        },
    }
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, quiet(), replacing(path) as temporary:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(source, prepared, skip_symbolic_shape=True)  # folds batch norm into convolutions
            if runtime == "openvino" and is_dynamic(runtime, convolutions=convolutions):
                _round_weights(prepared, temporary)
            elif is_dynamic(runtime, convolutions=convolutions):
                quantization.quantize_dynamic(prepared, temporary, **shared)
            else:
                graph = onnx.load(prepared).graph
                kept = _start_and_attention(graph) if convolutions else _behind_no_norm(graph)
                quantization.quantize_static(
                    prepared,
                    temporary,
                    _Calibration(calibration),
                    activation_type=quantization.QuantType.QUInt8,
                    nodes_to_exclude=kept,
                    **shared,
                )
    except OSError as error:
        raise VisavisError(f"Cannot write {str(path)!r}: {error.strerror or error}. Free some space.") from error


def _round_weights(source: Path, path: Path) -> None:
    """Writes a file whose products have int8 weights behind a scale per output channel; OpenVINO rounds the rest."""
    import onnx

    model = onnx.load(source)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in _PRODUCTS and node.input[1] in weights:
            name = node.input[1]
            channels = 0 if any(option.name == "transB" and option.i for option in node.attribute) else 1
            weight = onnx.numpy_helper.to_array(weights[name])
            scale = np.maximum(np.abs(weight).max(axis=1 - channels), SMALLEST) / 127  # [out]
            rounded = np.rint(weight / np.expand_dims(scale, 1 - channels)).astype(np.int8)
            if f"{name}_int8" not in weights:
                for kind, values in (("int8", rounded), ("scale", scale.astype(np.float32))):
                    weights[f"{name}_{kind}"] = onnx.numpy_helper.from_array(values, f"{name}_{kind}")
                inputs = [f"{name}_int8", f"{name}_scale"]
                nodes.append(onnx.helper.make_node("DequantizeLinear", inputs, [f"{name}_again"], axis=channels))
            node.input[1] = f"{name}_again"
        nodes.append(node)
    read = {name for node in nodes for name in node.input}
    kept = [tensor for name, tensor in weights.items() if name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    onnx.save(model, path)


def _start_and_attention(graph: GraphProto) -> list[str]:
    """Names of the nodes up to the second convolution, and of attention's products; they stay float32.

    The first convolutions are a few hundredths of the arithmetic and, as they have few channels over which rounding
    averages out, much of the error: RN-mini's second alone is 43% of it. With the first two in float32 its mean cosine
    in OpenVINO is 0.9997 in place of 0.9995, and 98.7% of its answers stay in place of 97.8 (benchmarks/int8.py), at
    the same speed. OpenVINO 2026.4 computes something else altogether where an input is negative as well as positive,
    as pixels alone are, and padded: cosines of 0.4 on a small ResNet.
    """
    weights = {tensor.name for tensor in graph.initializer}
    kept = [node.name for node in graph.node if node.op_type == "MatMul" and weights.isdisjoint(node.input)]
    behind = {INPUT: 0}  # how many convolutions stand before a tensor, on the longest way
    for node in graph.node:  # in the order in which they are computed
        count = max((behind[name] for name in node.input if name in behind), default=None)
        if count is None:
            continue
        if count < _FLOAT_CONVOLUTIONS and (node.op_type == "Conv" or INPUT in node.input):
            kept.append(node.name)
        behind |= dict.fromkeys(node.output, count + (node.op_type == "Conv"))
    return kept


def _behind_no_norm(graph: GraphProto) -> list[str]:
    """Names of a Transformer's products of which no layer norm gave the input; they stay as they are.

    One scale suits all tokens that a norm made alike. What GELU and attention give has values far above all others,
    which leave few steps for the rest: with every product in int8 the embedded ViTs keep 98.8 and 98.5% of their
    answers to all emoji, with these products left out 99.2 and 99.0%.
    """
    norms = {name for node in graph.node if node.op_type == "LayerNormalization" for name in node.output}
    return [node.name for node in graph.node if node.op_type in _PRODUCTS and node.input[0] not in norms]


class _Calibration:
    """Batches as onnxruntime asks for them: one a call, then None."""

    def __init__(self, batches: Sequence[Tensor]) -> None:
        self._batches: Iterator[Tensor] = iter(batches)

    def get_next(self) -> dict[str, object] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch.contiguous().numpy()}
