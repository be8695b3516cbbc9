"""By a name or a file to an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

from visavis.engine.adapters import find_adapter
from visavis.engine.encoder import Encoder
from visavis.engine.parts import parts_of
from visavis.engine.pictures import Decode
from visavis.errors import UsageError
from visavis.zoo.finding import find_checkpoint, fresh_checkpoint
from visavis.zoo.preprocess import Crop
from visavis.zoo.resizing import resize_checkpoint


def load(
    name: str | Path,
    weights: str | None = "auto",
    seed: int = 0,
    architecture: str | None = None,
    image_size: int | None = None,
    engine: str = "auto",
    decode: Decode = "exact",
    crop: Crop = "own",
) -> Encoder:
    """An encoder by its name or checkpoint file.

    Args:
        name: A name from `visavis.list_models()`, or the path of a checkpoint: OpenAI's, open_clip's, Hugging Face's,
            torchvision's, timm's, big_vision's or our own. "file.pt::ViT-B-32.openai" tells what a file does not say
            of itself; "@288" behind a name asks for images of 288 pixels.
        weights: "auto" for the name's weights, None for fresh ones.
        seed: Of fresh weights.
        architecture: The same as "::NAME" behind a file's path.
        image_size: Side of the images in pixels, where it is not the weights' own; position embeddings are resampled.
        engine: What computes the images' vectors: "torch", "onnx" or "openvino" in float32; "torch-bf16",
            "openvino-bf16", "onnx-int8" or "openvino-int8" in narrower numbers; "auto" for the quickest of the exact
            ones, measured once there is enough work to pay for it.
        decode: How JPEGs far larger than the network's input are read: "exact", every pixel, as the peers do; "fast",
            at 1/2, 1/4 or 1/8 of their size, but no less than twice the size they are resized to.
        crop: Which part of a picture the network sees: "own", what its weights were trained with; "center", the whole
            shorter side; "squash", all of it in a square.

    Raises:
        UsageError: Unknown name, the nearest ones are offered; or a file that does not say enough of itself.
        VisavisError: A damaged file, or published weights that cannot be had.

    >>> load("ViT-mini-8", weights=None).embed_dim
    128
    """
    if weights not in ("auto", None):
        raise UsageError(f"weights must be 'auto' or None, not {weights!r}. To load a file, give its path as the name.")
    if crop not in get_args(Crop):
        raise UsageError(f"crop must be one of {', '.join(get_args(Crop))}, not {crop!r}.")
    adapter = find_adapter(name)
    if adapter is not None:
        if architecture is not None or image_size is not None:
            raise UsageError(f"{name!r} comes with its own architecture and image size: leave out both arguments.")
        parts = adapter(weights, seed)
        return Encoder(str(name), replace(parts, preprocess=parts.preprocess.cropped(crop)), engine, decode)
    checkpoint = fresh_checkpoint(str(name), seed) if weights is None else find_checkpoint(name, architecture)
    if image_size is not None:
        checkpoint = resize_checkpoint(checkpoint, image_size)
    checkpoint = replace(checkpoint, preprocess=checkpoint.preprocess.cropped(crop))
    return Encoder(str(name), parts_of(checkpoint), engine, decode)
