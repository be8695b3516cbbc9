"""An image tower for other programs, as ONNX, TorchScript or OpenVINO; compared with PyTorch when it is written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image

from visavis.data.dataset import Dataset
from visavis.engine.encoder import Encoder
from visavis.engine.engines.engine import check_engine
from visavis.engine.engines.int8 import CALIBRATION, write_int8
from visavis.engine.engines.lean import lean_tower
from visavis.engine.engines.onnx_file import TOLERANCE, compare_vectors, describe, export_onnx, quiet
from visavis.engine.engines.quantize import Runtime
from visavis.engine.pictures import ImageLike, read_picture
from visavis.errors import UsageError, VisavisError

Format = Literal["onnx", "torchscript", "openvino"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torchscript": ".pt", "openvino": ".xml"}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        path: The file; OpenVINO's weights lie beside it under the same name with ".bin".
        said: How near its vectors are to PyTorch's, in words.
    """

    path: Path
    said: str


def export(encoder: Encoder, form: Format, out: Path, calibration: Sequence[ImageLike] = ()) -> Exported:
    """Writes an image tower that takes float32 [batch, 3, side, side], any batch, and gives [batch, embed_dim].

    Args:
        encoder: Whose.
        form: Of the file.
        out: Its name, with the form's own ending.
        calibration: Images for int8; float32 where there are none.

    Raises:
        UsageError: The ending is another, a library is missing, or there are too few images.
        VisavisError: The network cannot be exported, or the file cannot be written.
    """
    if out.suffix != SUFFIXES[form]:
        raise UsageError(f"A file of {form} ends in {SUFFIXES[form]}, and {out.name!r} does not. Name it so.")
    if form == "torchscript" and len(calibration):
        raise UsageError("int8 is written as onnx or openvino, not as torchscript. Choose one of these.")
    check_engine("onnx" if form != "openvino" else "openvino")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".visavis-") as folder:
            if form == "torchscript":
                made, said = _write_torchscript(encoder, Path(folder))
            else:
                runtime: Runtime = "openvino" if form == "openvino" else "onnx"
                made, said = _write_onnx(encoder, runtime, Path(folder), calibration)
                if form == "openvino":
                    made = _to_openvino(made)
            return _move(made, out, said)
    except OSError as error:
        raise VisavisError(f"Cannot write {str(out)!r}: {error.strerror or error}. Free some space.") from error


def pick_images(dataset: Dataset) -> list[Image.Image]:
    """Up to as many images as int8 is calibrated with, evenly over the data set."""
    step = -(-len(dataset.samples) // CALIBRATION)
    return [read_picture(sample) for sample in dataset.samples[::step]]


def _write_onnx(encoder: Encoder, runtime: Runtime, folder: Path, calibration: Sequence[ImageLike]) -> tuple[Path, str]:
    network, path = encoder.network, folder / "exported.onnx"
    difference = export_onnx(network, path)
    if not len(calibration):
        return path, _near(difference)
    images = torch.stack([encoder.preprocess(image) for image in calibration[:CALIBRATION]])
    made = write_int8(runtime, network, path, images)
    return made.path, str(made.agreement)


def _to_openvino(source: Path) -> Path:
    import openvino

    path = source.with_suffix(".xml")
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)
    return path


def _write_torchscript(encoder: Encoder, folder: Path) -> tuple[Path, str]:
    """Traced, with the description beside the code as "visavis.json"."""
    path = folder / "exported.pt"
    network = encoder.network
    example = torch.zeros(2, 3, encoder.image_size, encoder.image_size)
    described = json.dumps(describe(network))
    with quiet():
        traced = torch.jit.trace(lean_tower(network), example, check_trace=False)
        torch.jit.save(traced, path, _extra_files={"visavis.json": described})
        difference = compare_vectors(torch.jit.load(path), network.encode, encoder.image_size)
    if not difference <= TOLERANCE:
        raise VisavisError(f"The traced network differs from PyTorch's by {difference:.1e} of the largest value.")
    return path, _near(difference)


def _move(made: Path, out: Path, said: str) -> Exported:
    """To its place, the weights before the description that needs them."""
    weights = made.with_suffix(".bin")
    if weights.is_file():
        os.replace(weights, out.with_suffix(".bin"))
    os.replace(made, out)
    return Exported(path=out, said=said)


def _near(difference: float) -> str:
    return f"vectors differ from PyTorch's by at most {difference:.1e} of the largest value"
