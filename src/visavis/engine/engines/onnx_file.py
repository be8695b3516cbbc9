"""A network's image tower as an ONNX file: written once per network, compared with PyTorch at that moment, kept.

The one idea: an exported file that was never compared is a guess. Before it takes its place, the file runs on images of
another batch size than it was traced with, and must agree.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visavis.engine.engines.engine import MOST_PARTS
from visavis.engine.engines.lean import lean_tower
from visavis.engine.engines.network import Network
from visavis.errors import VisavisError
from visavis.zoo.files import replacing

INPUT, OUTPUT = "images", "features"
TOLERANCE = 1e-4  # of the largest value, between PyTorch's vectors and the file's
_TRACED_WITH, _VERIFIED_WITH = 2, 3  # images


def export_onnx(network: Network, path: Path) -> float:
    """Writes an image tower with any batch size, whole or not at all, and verifies it.

    Args:
        network: Whose; its preprocessing, origin and licence go into the file.
        path: Of the file; replaced where it exists.

    Returns:
        The largest difference from PyTorch on random images, as a share of the largest value.

    Raises:
        VisavisError: The network cannot be traced, the file disagrees, or cannot be written.
    """
    import onnx

    size = network.preprocess.image_size
    example = torch.zeros(_TRACED_WITH, 3, size, size)
    try:
        with quiet():
            program = torch.onnx.export(
                lean_tower(network),
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=65536)},),
                verbose=False,
            )
    except Exception as error:  # whatever a foreign network does while it is traced
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise VisavisError(f"This network cannot be exported to ONNX ({reason}). Use the engine 'torch'.") from error
    assert program is not None, "export returns the program"
    proto = program.model_proto
    onnx.helper.set_model_props(proto, describe(network))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            onnx.save_model(proto, temporary)
            difference = compare_file(temporary, network.encode, size)
            if not difference <= TOLERANCE:  # catches NaN too
                raise VisavisError(
                    f"The exported network differs from PyTorch's by {difference:.1e} of the largest value, where "
                    f"{TOLERANCE:.0e} is the most that rounding explains. Use the engine 'torch'."
                )
            return difference
    except OSError as error:
        raise VisavisError(f"Cannot write {str(path)!r}: {error.strerror or error}. Free some space.") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters and quantizers advise on standard output, as warnings and in the log."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def describe(network: Network) -> dict[str, str]:
    """What goes into a file's metadata, as JSON texts."""
    return {
        "name": network.name,
        "preprocess": json.dumps(asdict(network.preprocess)),
        "about": json.dumps(network.about, default=str),
    }


def compare_file(path: Path, encode: Callable[[Tensor], Tensor], image_size: int) -> float:
    """How far a file's vectors are from `encode`'s; infinite where the file is none of ours, or damaged."""
    try:
        return compare_vectors(open_session(path), encode, image_size)
    except Exception:  # onnxruntime's errors share no other base
        return math.inf


@torch.inference_mode()
def compare_vectors(
    encode: Callable[[Tensor], Tensor], reference: Callable[[Tensor], Tensor], image_size: int
) -> float:
    """The largest difference of two encoders' vectors of random images, as a share of the reference's largest value."""
    images = torch.randn(_VERIFIED_WITH, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    wanted, found = reference(images).numpy(), encode(images).numpy()
    return float(np.abs(found - wanted).max() / np.abs(wanted).max()) if found.shape == wanted.shape else math.inf


def open_session(path: Path) -> Callable[[Tensor], Tensor]:
    """A file as a function from images to vectors, in ONNX Runtime, with as many threads as PyTorch uses.

    Where they are few each takes a part of a batch, so that none waits for another after every layer: 32 images in
    float32 on 2 threads took a tenth less time with ViT-B/32, a twentieth less with RN50.
    """
    import onnxruntime

    threads = torch.get_num_threads()

    @cache
    def session(threads: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        options.add_session_config_entry("session.force_spinning_stop", "1")  # between batches the threads are others'
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        images = images.contiguous()
        if not 1 < threads <= min(MOST_PARTS, len(images)):
            return _run(session(threads), images)
        with ThreadPoolExecutor(threads) as pool:
            return torch.cat(list(pool.map(partial(_run, session(1)), images.tensor_split(threads))))

    return run


def _run(session: Any, images: Tensor) -> Tensor:
    return torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
