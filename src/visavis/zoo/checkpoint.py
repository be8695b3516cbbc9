"""visavis's own weights file: safetensors with all that is needed to use it in the metadata; no code, no pickle."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from visavis.errors import VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.resnet import ResNetConfig
from visavis.zoo.architectures import Config, config_from_dict, config_to_dict, count_blocks, outline_model
from visavis.zoo.files import replacing
from visavis.zoo.preprocess import Preprocess

FORMAT = 1  # raised when an older visavis could no longer read the file


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights with their identity.

    Attributes:
        config: The architecture.
        preprocess: What the weights demand of images.
        state: Tensors by name.
        class_names: Of a supervised head, in the order of its outputs; None for a CLIP.
        about: Recipe, data, licence: what people choose by.
    """

    config: Config
    preprocess: Preprocess
    state: dict[str, Tensor]
    class_names: tuple[str, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> None:
    """Writes the file whole or not at all. Raises VisavisError where the disk is full or the path not writable."""
    metadata = {
        "format": FORMAT,
        "facts": _facts(checkpoint.config),
        "config": config_to_dict(checkpoint.config),
        "preprocess": dataclasses.asdict(checkpoint.preprocess),
        "class_names": checkpoint.class_names,
        "about": checkpoint.about,
    }
    tensors = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in checkpoint.state.items()
    }
    write_safetensors(path, tensors, {"visavis": json.dumps(metadata)})


def _facts(config: Config) -> dict[str, Any]:
    """What other readers of the file ask for, in words; it follows from the configuration, which alone is read back."""
    if not isinstance(config, CLIPConfig):
        pooling, activation = (
            ("mean", "relu") if isinstance(config, ResNetConfig) else ("class token", config.activation)
        )
        return {"activation": activation, "pooling": pooling}
    visual, text = config.visual, config.text
    return {
        "activation": text.activation,
        "pooling": "attention" if isinstance(visual, CLIPResNetConfig) else "class token",
        "tokenizer": f"CLIP's byte pairs, {text.vocab_size} tokens, {text.context_length} a text",
    }


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes a file that is always whole. Raises VisavisError where the disk is full or the path not writable."""
    contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
    try:
        with replacing(path) as temporary:
            save_file(contiguous, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise VisavisError(
            f"Cannot write {str(path)!r}: {error}. Free some space or choose another place; what was there is kept."
        ) from error


def checkpoint_of(path: Path, written: str, state: dict[str, Tensor]) -> Checkpoint:
    """What `save_checkpoint` wrote; floating-point weights come back as float32.

    Args:
        path: The file, for messages.
        written: What it says of itself: the text under "visavis" in its metadata.
        state: Its tensors.

    Raises:
        VisavisError: The weights do not fit what the file says of itself.
    """
    try:
        checkpoint = _checkpoint(json.loads(written), state)
        _check_fit(checkpoint)
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise VisavisError(
            f"The metadata of {str(path)!r} do not describe its weights ({type(error).__name__}: {error}). Give a file "
            "that `visavis train` wrote, as it wrote it."
        ) from error
    return checkpoint


def _checkpoint(metadata: dict[str, Any], state: dict[str, Tensor]) -> Checkpoint:
    if metadata["format"] != FORMAT:
        raise ValueError(f"format {metadata['format']!r} is not {FORMAT}, which this visavis reads")
    names, about = metadata["class_names"], metadata["about"]
    if names is not None and not all(isinstance(name, str) for name in names):
        raise ValueError("class_names holds something else than texts")
    if not isinstance(about, dict):
        raise ValueError(f"about is no table of facts but {about!r}")
    return Checkpoint(
        config=config_from_dict(metadata["config"]),
        preprocess=Preprocess(**_with_tuples(metadata["preprocess"])),
        state={name: value.float() if value.is_floating_point() else value for name, value in state.items()},
        class_names=None if names is None else tuple(names),
        about=about,
    )


def _check_fit(checkpoint: Checkpoint) -> None:
    """Raises ValueError where the parts contradict each other, before memory is taken for the network.

    A file may claim any size: nothing is built that has more blocks than the file has tensors.
    """
    config, names = checkpoint.config, checkpoint.class_names
    if checkpoint.preprocess.image_size != config.image_size:
        raise ValueError(f"images of {checkpoint.preprocess.image_size} pixels for a network of {config.image_size}")
    classes = None if isinstance(config, CLIPConfig) else config.num_classes
    if names is not None and len(names) != classes:
        raise ValueError(f"{len(names)} class names for {classes} classes")
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.state.items()}
    if count_blocks(config) > len(found):
        raise ValueError(f"{len(found)} tensors for {count_blocks(config)} blocks")
    wanted = {name: tuple(tensor.shape) for name, tensor in outline_model(config).state_dict().items()}
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise ValueError(f"{name} should be {wanted.get(name, 'absent')}, but is {found.get(name, 'absent')}")


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples: its lists become tuples again."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
