"""What the doctor looks at: a file with all that lies beside it, what it is likely to be, and its numbers summed up."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visavis.errors import VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import (
    ARCHITECTURES,
    QUICKGELU,
    Config,
    find_config,
    outline_model,
    with_activation,
)
from visavis.zoo.cached import COMMIT, SHA256, Checksum, remote_file
from visavis.zoo.checkpoint import checkpoint_of
from visavis.zoo.formats.contents import UnreadableError
from visavis.zoo.formats.folders import contained, read_json
from visavis.zoo.formats.tensor_file import TensorFile
from visavis.zoo.layouts.layout import Layout
from visavis.zoo.layouts.names import NameReport, compare_names, find_layout
from visavis.zoo.layouts.reading import read_config
from visavis.zoo.layouts.skeleton import read_skeleton
from visavis.zoo.layouts.tables import LAYOUTS
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.published import Published, find_published, read_published
from visavis.zoo.sidecars import hugging_face_preprocess, open_clip_preprocess, timm_preprocess

SAMPLED = 1 << 20  # numbers of a tensor that its deviation is estimated from
_SUFFIXES = re.compile(r"\.(safetensors|pt|pth|bin|npz|tar|ckpt)$")
_PROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A tensor of fractions, summed up.

    Attributes:
        shape: As stored.
        low: Its smallest value; not a number where one is in it.
        high: Its largest.
        infinite: How many are infinite or not numbers.
        std: Standard deviation of at most `SAMPLED` of them, which are taken from its start.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    infinite: int
    std: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the traps are tested on.

    Attributes:
        file: What was read.
        layout: Whose names its tensors have; None where nobody's.
        skeleton: The architecture that its shapes tell, heads and activation still open.
        config: The architecture as the file itself and what lies beside it tell it; None where something is missing.
        trouble: Why there is no `config`.
        stated: The preprocessing that is written beside it or in it.
        stated_trouble: Why what is written there cannot be used.
        processor: Hugging Face's `preprocessor_config.json`.
        published: The published checkpoint to compare with: named by the user, or by the file's place or name.
        checksum: What the file must add up to, if it is that checkpoint.
        named: The architecture that the user names.
        own: Whether visavis wrote the file, which then says all of itself.
    """

    file: TensorFile
    layout: Layout | None = None
    skeleton: Config | None = None
    config: Config | None = None
    trouble: VisavisError | None = None
    stated: Preprocess | None = None
    stated_trouble: str = ""
    processor: Mapping[str, Any] = field(default_factory=dict)
    published: Published | None = None
    checksum: Checksum | None = None
    named: Config | None = None
    own: bool = False

    @cached_property
    def numbers(self) -> dict[str, Numbers]:
        """Each tensor of fractions by the file's name, in one pass over the weights."""
        floating = {name: tensor for name, tensor in self.file.tensors.items() if tensor.is_floating_point()}
        return {name: _sum_up(tensor) for name, tensor in floating.items() if tensor.numel()}

    @cached_property
    def report(self) -> NameReport | None:
        """How the names fit the network that the shapes tell."""
        if self.layout is None or self.skeleton is None:
            return None
        return compare_names(self.layout, self.file.tensors, self.skeleton)

    @cached_property
    def is_published(self) -> bool | None:
        """Whether the bytes are the published ones; None where no checksum is known."""
        return None if self.checksum is None else self.checksum.matches_file(self.file.path)

    @property
    def expected(self) -> Published | None:
        """The published checkpoint, unless the bytes show that it is another."""
        return None if self.is_published is False else self.published

    @property
    def settled(self) -> Config | None:
        """The best that is known of the architecture: the file's word, else the user's, else its shapes."""
        return self.config or self.named or self.skeleton

    def ours(self) -> Iterator[tuple[str, Tensor]]:
        """The network's tensors by our names; those that are missing are left out."""
        if self.layout is None or self.skeleton is None:
            return
        for name in outline_model(self.skeleton).state_dict():
            tensor = self.layout.find(self.file.tensors, name)
            if tensor is not None:
                yield name, tensor


def gather(file: TensorFile, name: str, architecture: str | None) -> Evidence:
    """Reads what can be read, and notes what cannot.

    Args:
        file: As it was read.
        name: What the user called it: a path or a published checkpoint.
        architecture: What the user says that it is: a published checkpoint or an architecture.

    Raises:
        UsageError: No such architecture.
    """
    row = find_published(architecture) if architecture else None
    named = find_config(row.architecture if row else architecture) if architecture else None
    row = row or find_published(name) or _row_by_place(file.path)
    known = Evidence(file=file, published=row, checksum=_checksum(file.path, row), named=named)
    if "visavis" in file.metadata:
        return _read_own(known)
    try:
        layout = find_layout(file.tensors)
        known = dataclasses.replace(known, layout=layout)
        known = dataclasses.replace(known, skeleton=read_skeleton(layout, file.tensors))
        known = dataclasses.replace(known, config=read_config(layout, file.tensors, file.config, file.hints))
    except VisavisError as error:
        known = dataclasses.replace(known, trouble=error)
    return _with_preprocessing(known)


def fitting_architectures(skeleton: Config, config: Config | None) -> tuple[str, ...]:
    """Names of architectures with these shapes; a CLIP's with and without "-quickgelu" while its activation is open."""
    names = [name for name, other in ARCHITECTURES.items() if _shapes_of(other) == _shapes_of(skeleton)]
    if not isinstance(skeleton, CLIPConfig):
        return tuple(names)
    both = [spelled for name in names for spelled in (name, name + QUICKGELU)]
    return tuple(name for name in both if config is None or find_config(name) == config)


def _shapes_of(config: Config) -> Config:
    """All that shapes tell; the rest is set alike."""
    if isinstance(config, ResNetConfig):
        return dataclasses.replace(config, num_classes=0, image_size=224)
    if isinstance(config, ViTConfig):
        return dataclasses.replace(config, num_classes=0, heads=1, activation="gelu", eps=1e-6)
    plain = with_activation(config, "gelu")
    visual = plain.visual
    if isinstance(visual, CLIPViTConfig):
        visual = dataclasses.replace(visual, heads=1)
    return CLIPConfig(visual=visual, text=dataclasses.replace(plain.text, heads=1))


def _read_own(known: Evidence) -> Evidence:
    """A file of visavis's own says all by itself."""
    file = known.file
    try:
        layout = LAYOUTS["visavis"]
        known = dataclasses.replace(known, layout=layout, skeleton=read_skeleton(layout, file.tensors))
        checkpoint = checkpoint_of(file.path, file.metadata["visavis"], file.tensors)
    except VisavisError as error:
        return dataclasses.replace(known, trouble=error)
    return dataclasses.replace(known, config=checkpoint.config, stated=checkpoint.preprocess, own=True)


def _with_preprocessing(known: Evidence) -> Evidence:
    """With what the JSON beside the weights states; only beside files of a usual name, whose JSON it is."""
    file, skeleton = known.file, known.skeleton
    if file.config is None or skeleton is None:
        return known
    try:
        if (file.path.parent / _PROCESSOR).exists():
            known = dataclasses.replace(known, processor=read_json(contained(file.path.parent, _PROCESSOR)))
        if known.processor:
            return dataclasses.replace(known, stated=hugging_face_preprocess(known.processor))
        if "model_cfg" in file.config:
            return dataclasses.replace(known, stated=open_clip_preprocess(file.config, skeleton.image_size))
        if "pretrained_cfg" in file.config:
            return dataclasses.replace(known, stated=timm_preprocess(file.config))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, UnreadableError) as error:
        return dataclasses.replace(known, stated_trouble=f"{type(error).__name__}: {error}")
    return known


def _row_by_place(path: Path) -> Published | None:
    """The published checkpoint that a file's place in a cache, or its own name, says that it is."""
    for part in path.parts:
        if part.startswith("models--"):
            return find_published("hf-hub:" + part.removeprefix("models--").replace("--", "/"))
    for row in read_published().values():
        if row.url and path.name == remote_file(row).url_name:
            return row
    return find_published(_SUFFIXES.sub("", path.name))


def _checksum(path: Path, row: Published | None) -> Checksum | None:
    """From the name in a hub's cache, which is its content's; else, for a file from the web, from its address."""
    blob = path.resolve()
    if blob.parent.name == "blobs" and (SHA256.fullmatch(blob.name) or COMMIT.fullmatch(blob.name)):
        return Checksum(kind="sha256" if SHA256.fullmatch(blob.name) else "git", start=blob.name)
    remote = remote_file(row) if row else None
    return remote.url_checksum if remote and path.name == remote.url_name else None


def _sum_up(tensor: Tensor) -> Numbers:
    values = tensor.detach().float()
    low, high = torch.aminmax(values)
    infinite = 0 if torch.isfinite(low) and torch.isfinite(high) else int((~torch.isfinite(values)).sum())
    some = values.flatten()[:SAMPLED]
    std = float(some.std(correction=0)) if not infinite else float("nan")
    return Numbers(shape=tuple(tensor.shape), low=float(low), high=float(high), infinite=infinite, std=std)
