"""Engines with int8 matrices: calibrated on the user's own images, and compared with PyTorch on others of them.

The one idea: int8 is never exact, so how far it is off is measured where it is made, and kept beside the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visavis.engine.engines.engine import Engine, identity
from visavis.engine.engines.network import Network, check_pixels
from visavis.engine.engines.onnx_file import open_session
from visavis.engine.engines.openvino_file import multiplies_bfloat16, open_compiled
from visavis.engine.engines.processor import byte_products
from visavis.engine.engines.quantize import Runtime, is_dynamic, quantize
from visavis.errors import UsageError, VisavisError
from visavis.zoo.files import replacing

CALIBRATION = 256  # images, half of them for the comparison
_FEWEST = 4
_BATCH = 16
_FAR = 0.9  # a mean cosine below it is no rounding of a usable network


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How near int8's vectors are to PyTorch's, on images that did not calibrate.

    Attributes:
        mean: Of the cosines between the two vectors of an image.
        least: Of these cosines.
        same_nearest: Share of the images whose nearest other one is the same, which needs no labels.
        n_images: How many were compared.
    """

    mean: float
    least: float
    same_nearest: float
    n_images: int

    def __str__(self) -> str:
        return (
            f"cosine {self.mean:.5f} on average, {self.least:.5f} at least, the same nearest image for "
            f"{100 * self.same_nearest:.1f}%, on {self.n_images} of the images"
        )


@dataclass(frozen=True, kw_only=True)
class Int8File:
    """A file with int8 matrices: what tells it from others of its network, how to run it, and how near it is."""

    path: Path
    precision: str
    encode: Callable[[Tensor], Tensor]
    agreement: Agreement


def open_int8(name: str, network: Network, file: Path, images: Tensor) -> Engine:
    """The engine "onnx-int8" or "openvino-int8"; arguments and errors are those of `write_int8`."""
    runtime: Runtime = "openvino" if name == "openvino-int8" else "onnx"
    made = write_int8(runtime, network, file, images)
    known = identity("onnxruntime" if runtime == "onnx" else "openvino", made.precision)
    return Engine(name=name, identity=known, encode=made.encode, said=str(made.agreement))


def write_int8(runtime: Runtime, network: Network, file: Path, images: Tensor) -> Int8File:
    """Makes an int8 file beside the float32 one, where it is not there.

    Args:
        runtime: What will run it.
        network: What it computes.
        file: Its float32 ONNX file.
        images: Preprocessed, float32 [images, 3, side, side]; every other one calibrates.

    Raises:
        UsageError: There are too few images, or a pixel is NaN.
        VisavisError: The vectors are far from PyTorch's, or the file cannot be written.
    """
    if len(images) < _FEWEST:
        raise UsageError(f"int8 is calibrated on the images themselves: at least {_FEWEST}, not {len(images)}.")
    check_pixels(images)
    convolutions = not _is_transformer(network.model)
    activations = "dynamic" if is_dynamic(runtime, convolutions=convolutions) else "static"
    digest = hashlib.sha256(images.numpy().tobytes()).hexdigest()[:16]
    kind = f"int8-{runtime}-{activations}-{digest}-{byte_products()}"
    path = file.with_suffix(f".{kind}.onnx")
    if not path.is_file():
        quantize(file, path, runtime, images[::2].split(_BATCH), convolutions=convolutions)
    encode, precision = _open(runtime, path), f"int8-{activations}-{digest}"
    if runtime == "openvino" and multiplies_bfloat16():
        precision = f"{precision}-bfloat16"
    agreement = _agreement(path.with_suffix(".json"), network, encode, images[1::2])
    if not agreement.mean >= _FAR:  # catches NaN too
        raise VisavisError(f"int8 spoils {network.name}: {agreement}. Use an engine with wider numbers.")
    return Int8File(path=path, precision=precision, encode=encode, agreement=agreement)


def _open(runtime: Runtime, path: Path) -> Callable[[Tensor], Tensor]:
    """In OpenVINO what is not int8 becomes bfloat16 where the processor multiplies it: int8 is the larger error."""
    if runtime == "onnx":
        return open_session(path)
    return open_compiled(path, "bf16" if multiplies_bfloat16() else "f32")


def _is_transformer(model: nn.Module) -> bool:
    """Whether it convolves at most once, to embed its patches."""
    return sum(isinstance(module, nn.Conv2d) for module in model.modules()) <= 1


@torch.inference_mode()
def _agreement(record: Path, network: Network, encode: Callable[[Tensor], Tensor], images: Tensor) -> Agreement:
    """As kept beside the file, or measured now and kept there."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Agreement(**json.loads(record.read_text(encoding="utf-8")))
    wanted = torch.cat([network.encode(batch) for batch in images.split(_BATCH)])  # [images, width]
    found = torch.cat([encode(batch) for batch in images.split(_BATCH)])
    cosines = F.cosine_similarity(wanted, found)
    same = (_nearest(wanted) == _nearest(found)).float().mean()
    measured = Agreement(
        mean=float(cosines.mean()), least=float(cosines.min()), same_nearest=float(same), n_images=len(images)
    )
    with contextlib.suppress(OSError), replacing(record) as temporary:  # on a full disk it is measured again
        temporary.write_text(json.dumps(asdict(measured)), encoding="utf-8")
    return measured


def _nearest(vectors: Tensor) -> Tensor:
    """The place of each vector's nearest other one by cosine, int64 [images]."""
    unit = F.normalize(vectors, dim=1)
    return (unit @ unit.T).fill_diagonal_(-torch.inf).argmax(dim=1)
