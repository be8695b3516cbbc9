"""Small networks whose weights look trained, and files of them in which a fault can be planted."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from visavis.inspection.doctor.diagnosis import Finding
from visavis.inspection.doctor.examine import examine
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, build_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.convert import convert
from visavis.zoo.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

TEXT = TextConfig(context_length=16, vocab_size=600, width=24, layers=2, heads=2, embed_dim=12)
CONFIGS: dict[str, Config] = {
    "resnet": ResNetConfig(block="bottleneck", layers=(1, 2, 1, 1), width_per_group=8, image_size=64, num_classes=5),
    "vit": ViTConfig(image_size=32, patch_size=8, width=32, layers=3, heads=2, num_classes=5),
    "clip-resnet": CLIPConfig(
        visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=8, image_size=64, embed_dim=12), text=TEXT
    ),
    "clip-vit": CLIPConfig(
        visual=CLIPViTConfig(image_size=32, patch_size=8, width=32, layers=4, heads=2, embed_dim=12), text=TEXT
    ),
}


def as_trained(config: Config, seed: int = 0) -> dict[str, Tensor]:
    """Weights whose deviations are no initialisation's, norms and statistics far from their start."""
    generator = torch.Generator().manual_seed(seed)
    state = build_model(config, seed=seed).state_dict()
    for name, tensor in state.items():
        if not tensor.is_floating_point() or name == "logit_scale":
            continue
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:  # a deviation of its own for each name
            factor = 1.37 + (zlib.crc32(name.encode()) % 97) / 400
            drawn = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(factor * (tensor + 0.03 * drawn))
    if "logit_scale" in state:
        state["logit_scale"].fill_(4.1)
    return state


def checkpoint(kind: str, **changes: Any) -> Checkpoint:
    config = CONFIGS[kind]
    images = Preprocess(image_size=config.image_size, resize=config.image_size)
    if not kind.startswith("clip"):
        images = dataclasses.replace(images, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return dataclasses.replace(Checkpoint(config=config, preprocess=images, state=as_trained(config)), **changes)


class Folder:
    """A published folder whose tensors and JSON can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.weights = next(path.glob("*.safetensors"))

    def change(self, name: str, edit: Callable[[dict[str, Any]], Any]) -> None:
        """Edits a JSON file."""
        file = self.path / name
        content = json.loads(file.read_text("utf-8"))
        edit(content)
        file.write_text(json.dumps(content), "utf-8")

    def plant(self, edit: Callable[[dict[str, Tensor]], Any]) -> None:
        """Edits the tensors."""
        tensors = {name: tensor.clone() for name, tensor in load_file(self.weights).items()}
        edit(tensors)
        save_file(tensors, self.weights)

    def finding(self, trap: str, architecture: str | None = None) -> Finding:
        return find(examine(called(self.path, architecture)).findings, trap)


def called(path: Path | str, architecture: str | None) -> str:
    """How a user names a file, and what it is."""
    return f"{path}::{architecture}" if architecture else str(path)


def find(findings: tuple[Finding, ...], trap: str) -> Finding:
    (found,) = (finding for finding in findings if finding.trap == trap)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Folder]:
    """Writes a network as a peer publishes it."""

    def write(kind: str, to: str, **changes: Any) -> Folder:
        return Folder(convert(checkpoint(kind, **changes), to, tmp_path / f"{kind} for {to}").path)  # type: ignore[arg-type]  # a target's name

    return write


@pytest.fixture
def trained() -> Callable[..., Checkpoint]:
    """A small network of a kind, with weights that look trained."""
    return checkpoint


@pytest.fixture
def finding_of() -> Callable[..., Finding]:
    """What the doctor finds about one trap in a file."""

    def examined(path: Path | str, trap: str, architecture: str | None = None) -> Finding:
        return find(examine(called(path, architecture)).findings, trap)

    return examined
