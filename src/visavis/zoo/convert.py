"""A checkpoint as a peer's own loader takes it: its names and shapes, its container, the JSON it needs beside.

What a peer would load and then compute differently (another activation, other heads, a network it has not) is refused;
what it loses on the way without harm to the weights is told.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Family, family_of
from visavis.zoo.checkpoint import Checkpoint, save_checkpoint, write_safetensors
from visavis.zoo.files import replacing
from visavis.zoo.layouts.names import from_visavis
from visavis.zoo.layouts.tables import LAYOUTS
from visavis.zoo.layouts.writing import hugging_face_files, open_clip_files, timm_files
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.tokenizer import CLIP_VOCAB_SIZE

Target = Literal["openai", "open_clip", "hf", "timm", "torchvision", "visavis"]

_PLAIN_EPS = 1e-6  # of timm's and torchvision's ViTs; Hugging Face's 1e-12 differs too little to matter, but is told
_OPENAI_HEAD_WIDTH = 64  # openai/CLIP, clip/model.py: build_model
_KEPT_WHOLE = re.compile(r"(^|\.)(ln_\w+|bn\d|downsample\.1)\.|embedding|logit_scale")  # not halved by OpenAI's loader


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What was written.

    Attributes:
        path: The file, or the folder that the peer's loader takes.
        notes: What the peer does not carry or does otherwise, one sentence each; empty where nothing is lost.
    """

    path: Path
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Format:
    """One target.

    Attributes:
        peer: As a sentence names it.
        layouts: Of the families that it has.
        suffix: Of the file; None for a folder.
        weights: The file's name within the folder.
    """

    peer: str
    layouts: Mapping[Family, str]
    suffix: str | None = None
    weights: str = "model.safetensors"


_FORMATS: dict[Target, _Format] = {
    "openai": _Format(peer="OpenAI's CLIP", layouts={"clip-resnet": "openai", "clip-vit": "openai"}, suffix=".pt"),
    "open_clip": _Format(
        peer="open_clip",
        layouts={"clip-resnet": "openai", "clip-vit": "openai"},
        weights="open_clip_model.safetensors",
    ),
    "hf": _Format(
        peer="Hugging Face's transformers",
        layouts={"clip-vit": "hf-clip", "supervised-resnet": "hf-resnet", "supervised-vit": "hf-vit"},
    ),
    "timm": _Format(peer="timm", layouts={"supervised-resnet": "torchvision-resnet", "supervised-vit": "timm-vit"}),
    "torchvision": _Format(
        peer="torchvision",
        layouts={"supervised-resnet": "torchvision-resnet", "supervised-vit": "torchvision-vit"},
        suffix=".pth",
    ),
    "visavis": _Format(
        peer="visavis",
        layouts=dict.fromkeys(("supervised-resnet", "supervised-vit", "clip-resnet", "clip-vit"), "visavis"),
        suffix=".safetensors",
    ),
}


def convert(checkpoint: Checkpoint, to: Target, out: Path) -> Converted:
    """Writes a checkpoint for a peer, whole or not at all.

    "openai" (.pt), "torchvision" (.pth) and "visavis" (.safetensors) are files; "open_clip", "hf" and "timm" are
    folders, for `open_clip.create_model("local-dir:OUT")`, `from_pretrained(OUT)` and
    `timm.create_model("local-dir:OUT", pretrained=True)`.

    Raises:
        UsageError: The peer has no such network, something is at `out` already, or `out` has the wrong suffix.
        VisavisError: The disk is full, or the place not writable.
    """
    if to not in get_args(Target):
        raise UsageError(f"There is no target {to!r}. Choose from {', '.join(get_args(Target))}.")
    reason = misfit(checkpoint, to)
    if reason is not None:
        fitting = ", ".join(target for target in get_args(Target) if misfit(checkpoint, target) is None)
        raise UsageError(f"These weights cannot be written for {_FORMATS[to].peer}: {reason}. Fitting are: {fitting}.")
    _check_place(to, out)
    if to == "visavis":
        save_checkpoint(out, checkpoint)
        return Converted(path=out, notes=())
    layout = LAYOUTS[_FORMATS[to].layouts[family_of(checkpoint.config)]]
    tensors = from_visavis(layout, checkpoint.state, checkpoint.config)
    try:
        with replacing(out) as temporary:
            _write(to, temporary, tensors, checkpoint)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as a RuntimeError
        raise VisavisError(
            f"Cannot write {str(out)!r}: {error}. Free some space or choose another place; nothing was left there."
        ) from error
    return Converted(path=out, notes=tuple(_notes(checkpoint, to)))


def misfit(checkpoint: Checkpoint, to: Target) -> str | None:
    """Why a peer cannot have these weights: it lacks the network, or would compute it otherwise; None where it can."""
    config, family = checkpoint.config, family_of(checkpoint.config)
    if family not in _FORMATS[to].layouts:
        tower = "ResNet" if family.endswith("resnet") else "ViT"
        return (
            f"it has no {f'CLIP with a {tower}' if family.startswith('clip') else f'supervised {tower}'} of this kind"
        )
    if to == "visavis":
        return None
    if isinstance(config, CLIPConfig):
        return _clip_misfit(config, to)
    return _resnet_misfit(config, to) if isinstance(config, ResNetConfig) else _vit_misfit(config, to)


def _clip_misfit(config: CLIPConfig, to: Target) -> str | None:
    towers = (config.visual, config.text) if isinstance(config.visual, CLIPViTConfig) else (config.text,)
    activations = {tower.activation for tower in towers}
    if to == "open_clip" and len(activations) > 1:
        return "it has one activation for both towers, but theirs differ"
    if to != "openai":
        return None
    if activations != {"quickgelu"}:
        return "it always computes QuickGELU, but these weights want GELU"
    if any(tower.width // _OPENAI_HEAD_WIDTH != tower.heads for tower in towers):
        return f"its heads are always {_OPENAI_HEAD_WIDTH} wide, but theirs are not"
    if isinstance(config.visual, CLIPViTConfig) and config.visual.mlp_width is not None:
        return "its feed-forward networks are always four times as wide as a token, but theirs are not"
    return None


def _resnet_misfit(config: ResNetConfig, to: Target) -> str | None:
    if to == "hf":
        plain = (config.groups, config.width_per_group) == (1, 64)
        return None if plain else "it has neither wide ResNets nor ResNeXts"
    if config.width != 64:
        return f"its ResNets begin with 64 channels, this one with {config.width}"
    return _headless(config, to)


def _vit_misfit(config: ViTConfig, to: Target) -> str | None:
    if to != "hf" and config.activation != "gelu":
        return "its ViTs compute GELU, but these weights want QuickGELU"
    if to != "hf" and abs(config.eps - _PLAIN_EPS) > _PLAIN_EPS:
        return f"its layer norms add {_PLAIN_EPS} to the variance, but these weights want {config.eps}"
    return _headless(config, to)


def _headless(config: ResNetConfig | ViTConfig, to: Target) -> str | None:
    return "its networks have a head, this one has none" if to == "torchvision" and not config.num_classes else None


def _check_place(to: Target, out: Path) -> None:
    """Raises UsageError where the place is taken or its name says something else than what would be written."""
    suffix = _FORMATS[to].suffix
    if suffix is not None and out.suffix != suffix:
        raise UsageError(f"For {_FORMATS[to].peer} a file that ends in {suffix!r} is written, not {out.name!r}.")
    if suffix is None and out.suffix in (".safetensors", ".pt", ".pth", ".bin"):
        raise UsageError(f"For {_FORMATS[to].peer} a folder is written; {out.name!r} names a file.")
    taken = any(out.iterdir()) if suffix is None and out.is_dir() else out.exists()
    if taken:
        raise UsageError(f"{str(out)!r} exists already, and nothing is overwritten. Choose another name or remove it.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {str(out.absolute().parent)!r}. Make it first, or choose another place.")


def _write(to: Target, path: Path, tensors: dict[str, Tensor], checkpoint: Checkpoint) -> None:
    if _FORMATS[to].suffix is not None:
        torch.save({name: _alone(tensor) for name, tensor in tensors.items()}, path)
        return
    path.mkdir()
    try:
        write_safetensors(path / _FORMATS[to].weights, tensors, {"format": "pt"})  # transformers wants to be told
        for name, content in _files(to, checkpoint).items():
            (path / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _alone(tensor: Tensor) -> Tensor:
    """A tensor with memory of its own: torch would write the whole file that a view lies in."""
    tensor = tensor.detach().contiguous()
    return tensor.clone() if tensor.untyped_storage().nbytes() != tensor.nbytes else tensor


def _files(to: Target, checkpoint: Checkpoint) -> dict[str, dict[str, Any]]:
    config, preprocess = checkpoint.config, checkpoint.preprocess
    if to == "hf":
        return hugging_face_files(config, preprocess, checkpoint.class_names)
    if isinstance(config, CLIPConfig):
        return open_clip_files(config, preprocess)
    return timm_files(config, preprocess, checkpoint.class_names)


def _notes(checkpoint: Checkpoint, to: Target) -> list[str]:
    config, preprocess, peer = checkpoint.config, checkpoint.preprocess, _FORMATS[to].peer
    plain = Preprocess(image_size=preprocess.image_size, resize=preprocess.image_size)
    cropped = preprocess.resize_mode == "shortest" or preprocess.resize != preprocess.image_size
    cases: tuple[tuple[Callable[[], bool], str], ...] = (
        (
            lambda: to == "openai" and preprocess != plain,
            f"{peer} prepares pictures in one way, which is not that of these weights: {preprocess}.",
        ),
        (
            lambda: to == "open_clip" and preprocess.resize != preprocess.image_size,
            f"{peer} resizes to {preprocess.image_size} pixels, but these weights want {preprocess.resize}.",
        ),
        (
            lambda: to == "hf" and preprocess.crop_rounding == "even" and cropped,
            f"{peer} rounds an odd margin of the crop down, where these weights round half to even: one pixel aside.",
        ),
        (
            lambda: to in ("open_clip", "timm") and preprocess.crop_rounding == "down" and cropped,
            f"{peer} rounds half of an odd margin to even, where these weights round it down: one pixel aside.",
        ),
        (
            lambda: to == "torchvision",
            f"The file carries neither preprocessing nor names of classes. The weights want {preprocess}.",
        ),
        (
            lambda: isinstance(config, ViTConfig) and to != "hf" and config.eps != _PLAIN_EPS,
            f"The layer norms of {peer} add {_PLAIN_EPS} to the variance, where these weights want less.",
        ),
        (
            lambda: isinstance(config, CLIPConfig) and config.text.vocab_size != CLIP_VOCAB_SIZE,
            f"The tokenizer of {peer} has {CLIP_VOCAB_SIZE} tokens, these weights fewer: give it visavis's numbers.",
        ),
        (
            lambda: to == "hf" and isinstance(config, CLIPConfig) and config.text.vocab_size == CLIP_VOCAB_SIZE,
            "The folder holds no tokenizer; openai/clip-vit-base-patch32 has the one that these weights know.",
        ),
        (
            lambda: to == "openai" and any(_rounded(name, tensor) for name, tensor in checkpoint.state.items()),
            f"{peer} rounds weights to half precision as it loads them, and these have more digits.",
        ),
    )
    return [note for applies, note in cases if applies()]


def _rounded(name: str, tensor: Tensor) -> bool:
    return not _KEPT_WHOLE.search(name) and tensor.is_floating_point() and bool((tensor.half() != tensor).any())
