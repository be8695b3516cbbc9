"""From a name to weights: an embedded model, a file or folder, a published checkpoint, an architecture's fresh ones."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from visavis.errors import UsageError, did_you_mean
from visavis.zoo.architectures import build_model, find_config
from visavis.zoo.catalogue import EMBEDDED, list_models
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.opening import open_checkpoint
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.published import find_published
from visavis.zoo.resizing import resize_checkpoint

FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz", ".tar", ".ckpt")
SIZED = re.compile(r"(.+)@(\d{1,4})")  # "resnet50.tv_in1k@288"


def split_name(text: str) -> tuple[str, str | None]:
    """A file, and what it does not say of itself: "file.pt::ViT-B-32.openai". Other texts stay whole."""
    path, colons, named = text.rpartition("::")
    return (path, named) if colons and os.path.exists(path) and not os.path.exists(text) else (text, None)


def find_checkpoint(
    name: str | Path,
    architecture: str | None = None,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Checkpoint:
    """Weights by name or by file.

    Args:
        name: An embedded or published model's name, or the path of a file or folder. "::NAME" behind a path tells what
            the file does not say of itself, a published checkpoint's name or an architecture's; "@288" behind any of
            them asks for images of 288 pixels.
        architecture: The same as "::NAME" behind the path.
        on_progress: Called with name, megabytes and megabytes in all while published weights arrive.

    Raises:
        UsageError: The name is unknown, or is an architecture's; or a file does not say enough of itself.
        VisavisError: The file is damaged, or the weights cannot be had.
    """
    text = str(name)
    sized = None if os.path.exists(text) or find_published(text) else SIZED.fullmatch(text)
    if sized:
        return resize_checkpoint(find_checkpoint(sized[1], architecture, on_progress), int(sized[2]))
    path, named = split_name(text)
    if os.path.exists(path):  # Path.exists raises where a name is too long to be one
        return open_checkpoint(Path(path), architecture or named)
    if architecture is not None:
        raise UsageError(f"architecture={architecture!r} says what a file is, but there is no file {text!r}.")
    if text in EMBEDDED:
        with resources.as_file(resources.files("visavis.zoo") / "weights" / f"{text}.safetensors") as file:
            return open_checkpoint(file)
    row = find_published(text)
    if row is not None:
        from visavis.zoo.cached import remote_file
        from visavis.zoo.hub import fetch  # brings huggingface_hub

        return open_checkpoint(fetch(remote_file(row), on_progress), row.name)
    raise _unknown(text)


def fresh_checkpoint(architecture: str, seed: int) -> Checkpoint:
    """An architecture with weights as its paper draws them. Raises UsageError with the nearest names."""
    config = find_config(architecture)
    preprocess = Preprocess(image_size=config.image_size, resize=config.image_size)
    state = build_model(config, seed=seed).state_dict()
    return Checkpoint(config=config, preprocess=preprocess, state=state, about={"seed": seed})


def _unknown(name: str) -> UsageError:
    names = list_models()
    hint = did_you_mean(name, names)
    if name in names:
        tagged = [known for known in names if known.startswith(f"{name}.")]
        return UsageError(
            f"{name!r} names an architecture, not weights. Use weights of it ({', '.join(tagged[:6])}), a checkpoint "
            "file, or weights=None for fresh ones."
        )
    if name.endswith(FILE_SUFFIXES) or len(Path(name).parts) > 1:
        return UsageError(f"There is no checkpoint file {name!r}. {hint} `visavis list` shows all names.")
    return UsageError(f"Unknown model {name!r}. {hint} `visavis list` shows all.")
