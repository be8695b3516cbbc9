"""Checkpoints that others published: a table in data, and the names under which a row is found.

The one idea: a row of published.csv says everything about a checkpoint that must be known before its file is there:
where it lies, what it demands of its images, what it costs, and what it was trained on. No code knows a single model.
tests/peers/make_published.py writes the table from the live registries of open_clip, timm, torchvision and OpenAI's
CLIP; nothing heavy is imported here.
"""

from __future__ import annotations

import csv
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from visavis.zoo.preprocess import Preprocess

Source = Literal["openai", "open_clip", "timm", "torchvision"]

# The name that open_clip and timm try first in a hub repository, and the pickled one that they fall back to
# (open_clip/constants.py, timm/models/_hub.py).
FALLBACK_FILENAMES = {
    "open_clip_model.safetensors": "open_clip_pytorch_model.bin",
    "model.safetensors": "pytorch_model.bin",
}
HUB_PREFIXES = ("hf-hub:", "hf_hub:")  # open_clip's and timm's
QUICKGELU = "-quickgelu"


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published checkpoint: one row of published.csv.

    Attributes:
        name: "ViT-B-32.openai": open_clip's or timm's name of the network, a dot, the tag of the weights.
        aliases: What OpenAI ("ViT-B/32") or torchvision ("ResNet50_Weights.IMAGENET1K_V2") call it.
        architecture: A name that `find_config` knows; `image_size` and `num_classes` may differ from that row's.
        source: The library whose registry lists it.
        repo: Its repository on the hub; empty where there is none.
        filename: In that repository; without one, the last part of `url`.
        url: The file that the authors themselves put on the web, where there is one; its layout may be another.
        image_size: Side of the square input in pixels.
        resize: Length in pixels of the shorter side before the centre is cut; of both where `resize_mode` is "squash".
        interpolation: Of that resizing: "bilinear" or "bicubic".
        resize_mode: "shortest" or "squash".
        normalisation: Mean and standard deviation by name: "clip", "imagenet" or "half" (0.5 everywhere).
        activation: Inside the Transformers, "gelu" or "quickgelu"; "relu" in a supervised ResNet.
        num_classes: Outputs of the head; 0 in a CLIP, and in a classifier that was published without its head.
        classes: What the head's outputs mean: "imagenet1k", "imagenet21k", "bamboo", or "" without a head.
        params: Parameters of all towers.
        macs: Multiply-accumulates of one image of `image_size` through the image tower, its head included.
        training_data: Data sets in the order of training, joined by " + ".
        samples: Images or pairs of image and text in them, joined alike; empty where no source tells all.
        origin: Where those came from, joined alike. No source tells of consent by those who made the pictures or are
            in them; what the owners' licences allow is said where the data set was chosen by it.
        license: Of the weights: an SPDX identifier, "Apple-ASCL" (Apple Sample Code License), or "not stated".
    """

    name: str
    aliases: tuple[str, ...]
    architecture: str
    source: Source
    repo: str
    filename: str
    url: str
    image_size: int
    resize: int
    interpolation: Literal["bilinear", "bicubic"]
    resize_mode: Literal["shortest", "squash"]
    normalisation: Literal["clip", "imagenet", "half"]
    activation: Literal["gelu", "quickgelu", "relu"]
    num_classes: int
    classes: str
    params: int
    macs: int
    training_data: str
    samples: str
    origin: str
    license: str

    @property
    def filenames(self) -> tuple[str, ...]:
        """Names to try in the repository, in this order; the second, where there is one, is a pickle."""
        fallback = FALLBACK_FILENAMES.get(self.filename)
        return (self.filename,) if fallback is None else (self.filename, fallback)

    @property
    def preprocess(self) -> Preprocess:
        """What the weights demand of their images."""
        from visavis.zoo import preprocess  # brings numpy and Pillow, which a listing does not need

        half = (0.5, 0.5, 0.5)
        mean, std = {
            "clip": (preprocess.CLIP_MEAN, preprocess.CLIP_STD),
            "imagenet": (preprocess.IMAGENET_MEAN, preprocess.IMAGENET_STD),
            "half": (half, half),
        }[self.normalisation]
        return preprocess.Preprocess(
            image_size=self.image_size,
            resize=self.resize,
            interpolation=self.interpolation,
            resize_mode=self.resize_mode,
            mean=mean,
            std=std,
        )


@cache
def read_published() -> Mapping[str, Published]:
    """All rows by name, in the table's order."""
    lines = (resources.files("visavis.zoo") / "published.csv").read_text(encoding="utf-8").splitlines()
    return MappingProxyType({row["name"]: _parse(row) for row in csv.DictReader(lines)})


def list_published(pattern: str = "*") -> list[Published]:
    """Rows whose name or alias matches a wildcard pattern, upper and lower case alike, in the table's order."""
    pattern = pattern.casefold()
    return [
        row
        for row in read_published().values()
        if any(fnmatch.fnmatchcase(name.casefold(), pattern) for name in (row.name, *row.aliases))
    ]


def find_published(name: str) -> Published | None:
    """The row that a name means, or None.

    Understood, upper and lower case alike:

    - ours, "ViT-B-32.openai" and "resnet50.a1_in1k", and "ViT-B-32-quickgelu.openai";
    - OpenAI's "ViT-B/32" and "ViT-L/14@336px". Its ResNets have the names of their architectures, so "RN50" stays an
      architecture, as does timm's "resnet50" without a tag: write "RN50.openai";
    - open_clip's "ViT-B-32::laion2b_s34b_b79k" and "ViT-B-32-quickgelu::openai". "ViT-B-32::openai" is the same row,
      whose activation is that of the weights;
    - "hf-hub:timm/resnet50.a1_in1k", "hf_hub:timm/resnet50.a1_in1k": the weights' repository on the hub;
    - torchvision's "ResNet50_Weights.IMAGENET1K_V2".
    """
    folded = name.casefold()
    for prefix in HUB_PREFIXES:
        if folded.startswith(prefix):
            return _by_repo().get(folded.removeprefix(prefix))
    architecture, separator, tag = folded.partition("::")
    if separator:
        folded = f"{architecture}.{tag.replace('-', '_')}"  # open_clip reads its tags so
    return _by_name().get(folded)


@cache
def _by_name() -> Mapping[str, Published]:
    """Rows by their names, their aliases, and their architecture with its activation and their tag."""
    found = {}
    for row in read_published().values():
        spellings = [row.name, *row.aliases]
        if row.architecture.endswith(QUICKGELU):
            spellings.append(f"{row.architecture}.{row.name.partition('.')[2]}")
        found.update(dict.fromkeys(map(str.casefold, spellings), row))
    return MappingProxyType(found)


@cache
def _by_repo() -> Mapping[str, Published]:
    return MappingProxyType({row.repo.casefold(): row for row in read_published().values() if row.repo})


def _parse(row: dict[str, str]) -> Published:
    """A row of the file, its numbers as numbers."""
    values: dict[str, Any] = dict(row)
    values["aliases"] = tuple(row["aliases"].split())
    values.update({field.name: int(row[field.name]) for field in fields(Published) if field.type == "int"})
    return Published(**values)
