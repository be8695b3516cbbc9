"""visavis's own weights file: safetensors with all that is needed to use it in the metadata; no code, no pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from visavis.errors import VisavisError
from visavis.zoo.architectures import Config, config_from_dict, config_to_dict
from visavis.zoo.preprocess import Preprocess

FORMAT = 1


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
        "config": config_to_dict(checkpoint.config),
        "preprocess": dataclasses.asdict(checkpoint.preprocess),
        "class_names": checkpoint.class_names,
        "about": checkpoint.about,
    }
    tensors = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in checkpoint.state.items()
    }
    write_safetensors(path, tensors, {"visavis": json.dumps(metadata)})


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes beside the target and renames, so that the target is always whole. Raises VisavisError (disk full)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
    try:
        save_file(contiguous, temporary, metadata=metadata)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise VisavisError(
            f"Cannot write {str(path)!r}: {error}. Free some space or choose another place; what was there is kept."
        ) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a file that `save_checkpoint` wrote; floating-point weights come back as float32.

    Raises:
        VisavisError: The file is cut short, is no safetensors file, or was not written by visavis.
    """
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get("visavis")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError) as error:
        raise VisavisError(
            f"{str(path)!r} is not a whole safetensors file ({error}). It may be cut short: fetch or make it again."
        ) from error
    try:
        metadata = json.loads(written or "null")
        config = config_from_dict(metadata["config"])
        preprocess = Preprocess(**_with_tuples(metadata["preprocess"]))
        class_names = metadata["class_names"]
    except (TypeError, KeyError, ValueError) as error:
        raise VisavisError(
            f"{str(path)!r} does not say what its weights are: it lacks visavis's metadata ({error}). Give a file that "
            "`visavis train` wrote."
        ) from error
    return Checkpoint(
        config=config,
        preprocess=preprocess,
        state={name: value.float() if value.is_floating_point() else value for name, value in state.items()},
        class_names=tuple(class_names) if class_names is not None else None,
        about=metadata.get("about", {}),
    )


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples: its lists become tuples again."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def file_sha256(path: Path) -> str:
    """The file's hash, the identity of its weights."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
