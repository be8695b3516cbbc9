"""The one interface of all engines, and their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from torch import Tensor

from visavis.errors import UsageError, did_you_mean

EXACT = ("torch", "onnx", "openvino")  # float32: the same vectors up to rounding
NARROW = ("torch-bf16", "openvino-bf16", "onnx-int8", "openvino-int8")
PACKAGES = {"onnx": ("onnxruntime", "onnx", "onnxscript"), "openvino": ("openvino", "onnx", "onnxscript")}
PIP = {"onnx": "pip install onnx onnxruntime onnxscript", "openvino": "pip install openvino"}
MOST_PARTS = 4  # of a batch, each with a thread of its own and images enough


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Something that turns preprocessed images into vectors.

    Attributes:
        name: As in `EXACT` and `NARROW`.
        identity: All that changes its numbers besides the weights: library, version, precision, calibration.
        encode: Images float32 [batch, 3, side, side] to vectors float32 [batch, embed_dim].
        said: Why it was taken, and how far its vectors are from PyTorch's, in words.
    """

    name: str
    identity: str
    encode: Callable[[Tensor], Tensor]
    said: str


def check_engine(name: str) -> None:
    """Raises UsageError for a name that is no engine's, or whose library is missing, with the pip line."""
    if name != "auto" and name not in (*EXACT, *NARROW):
        hint = did_you_mean(name, (*EXACT, *NARROW, "auto"))
        raise UsageError(f"There is no engine {name!r}. {hint} Known are auto, {', '.join((*EXACT, *NARROW))}.")
    if missing := missing_package(name):
        library = name.partition("-")[0]
        raise UsageError(f"The engine {name!r} needs {missing}, which is not installed. Run: {PIP[library]}")


def missing_package(name: str) -> str | None:
    """The first library that an engine lacks here, or None."""
    for package in PACKAGES.get(name.partition("-")[0], ()):
        if find_spec(package) is None:
            return package
    return None


def identity(package: str, precision: str) -> str:
    """Library, version and precision, as in "onnxruntime-1.32.0-float32"."""
    return f"{package}-{version(package).partition('+')[0]}-{precision}"
