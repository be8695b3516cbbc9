"""Makes src/visavis/zoo/published.csv and imagenet1k.txt: what the live peers' registries say of their checkpoints.

Run in the peers' environment (requirements.txt beside this file), from the root of the repository:

    PYTHONPATH=src python tests/peers/make_published.py

Which files there are, their preprocessing, heads and licences come from the registries of open_clip, timm, torchvision
and OpenAI's CLIP; parameters are counted on the peers' own networks, MACs on visavis's, as `visavis inspect` counts
them. What no registry says, the training data, is in published_facts.py beside this file, each fact with its source.
test_published_parity.py checks that this script writes the very file that is there.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
import functools
import importlib.util
import io
import math
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import open_clip
import timm
import torch
import torchvision.models
from open_clip import pretrained as open_clip_registry
from published_facts import CORRECTED_REPOS, SELF_SUPERVISED, licence_of, training_of
from torchvision.models._meta import _IMAGENET_CATEGORIES

from visavis.inspection.cost import count_macs
from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.resnet import ResNetConfig
from visavis.zoo.architectures import ARCHITECTURES, find_config, outline_model
from visavis.zoo.published import Published

ZOO = Path(__file__).parents[2] / "src" / "visavis" / "zoo"
NORMALISATIONS = {
    (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD): "clip",
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "half",
}
LABEL_SETS = MappingProxyType({0: "", 1000: "imagenet1k", 21843: "imagenet21k", 115217: "bamboo"})
TORCHVISION_VITS = MappingProxyType(
    {
        "vit_b_16": "vit_base_patch16",
        "vit_b_32": "vit_base_patch32",
        "vit_l_16": "vit_large_patch16",
        "vit_l_32": "vit_large_patch32",
        "vit_h_14": "vit_huge_patch14",
    }
)
Row = dict[str, Any]


def main() -> None:
    """Writes both files."""
    rows = list(make_rows())
    (ZOO / "published.csv").write_text(to_csv(rows), encoding="utf-8", newline="")
    (ZOO / "imagenet1k.txt").write_text("\n".join(_IMAGENET_CATEGORIES) + "\n", encoding="utf-8", newline="")
    print(f"{len(rows)} rows")


def to_csv(rows: list[Row]) -> str:
    """The table as text."""
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(Published)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def make_rows() -> Iterator[Row]:
    """All rows: classifiers, then CLIPs, each in the order of our table of architectures."""
    for make in (timm_rows, torchvision_rows, open_clip_rows):
        for row in make():
            cost = {"macs": macs(row["architecture"], row["image_size"], row["num_classes"])}
            yield row | cost | training_of(row["name"]) | {"license": licence_of(row)}


# Supervised: timm


def timm_rows() -> Iterator[Row]:
    """Each pretrained tag of each plain ResNet and ViT, and of the DeiTs that are such ViTs."""
    presets = torchvision_presets()
    for name, architecture in timm_networks().items():
        for full_name in timm.list_pretrained(f"{name}.*"):
            found = timm.get_pretrained_cfg(full_name)
            if found.tag in SELF_SUPERVISED:
                continue
            row = timm_row(full_name, architecture, found)
            yield row | presets.get(found.url, {})


def timm_networks() -> dict[str, str]:
    """Timm's names of networks -> ours."""
    theirs = set(timm.list_models(pretrained=False))
    plain = [name for name, config in ARCHITECTURES.items() if not isinstance(config, CLIPConfig)]
    found = {name: name for name in plain if name in theirs}
    for size in ("tiny", "small", "base"):
        for image_size in (224, 384):
            deit = f"deit_{size}_patch16_{image_size}"
            if deit in theirs:
                found[deit] = f"vit_{size}_patch16_{image_size}"
    return found


def timm_row(name: str, architecture: str, found: Any) -> Row:
    """What timm's registry says of one tag; its default evaluation transform, which is at the training resolution."""
    image_size = found.input_size[1]
    assert found.input_size == (3, image_size, image_size)
    assert found.crop_mode == "center"
    return {
        "name": name,
        "aliases": "",
        "architecture": architecture,
        "source": "timm",
        "repo": found.hf_hub_id,
        "filename": "model.safetensors",
        "url": found.url,
        "image_size": image_size,
        "resize": math.floor(image_size / found.crop_pct),
        "interpolation": found.interpolation,
        "resize_mode": "shortest",
        "normalisation": NORMALISATIONS[found.mean, found.std],
        "activation": "relu" if isinstance(find_config(architecture), ResNetConfig) else "gelu",
        "num_classes": found.num_classes,
        "classes": LABEL_SETS[found.num_classes],
        "params": timm_params(name.partition(".")[0], found.num_classes),
        "license": found.license,
    }


@functools.cache
def timm_params(name: str, num_classes: int) -> int:
    """Parameters of timm's own network."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in timm.create_model(name, num_classes=num_classes).parameters())


# Supervised: torchvision


def torchvision_presets() -> dict[str, Row]:
    """Files that torchvision published -> how torchvision itself prepares their images, and its names for them.

    timm carries the ResNets among them; for those of IMAGENET1K_V2 its default is the size of training, 176, where
    torchvision evaluates at 224. The authors' word counts.
    """
    presets = {}
    for name in (*set(ARCHITECTURES).intersection(torchvision.models.list_models()), *TORCHVISION_VITS):
        for weights in torchvision.models.get_model_weights(name):
            transforms = weights.transforms()
            image_size = transforms.crop_size[0]
            presets[weights.url] = {
                "aliases": f"{type(weights).__name__}.{weights.name}",
                "image_size": image_size,
                "resize": transforms.resize_size[0],
                "interpolation": transforms.interpolation.value,
                "normalisation": NORMALISATIONS[tuple(transforms.mean), tuple(transforms.std)],
            }
    return presets


def torchvision_rows() -> Iterator[Row]:
    """Torchvision's own ViTs, which are in no hub repository."""
    presets = torchvision_presets()
    for name, stem in TORCHVISION_VITS.items():
        for weights in torchvision.models.get_model_weights(name):
            preset = presets[weights.url]
            architecture = f"{stem}_{preset['image_size']}"
            architecture = architecture if architecture in ARCHITECTURES else f"{stem}_224"
            yield {
                "name": f"{name}.{weights.name}",
                "architecture": architecture,
                "source": "torchvision",
                "repo": "",
                "filename": "",
                "url": weights.url,
                "resize_mode": "shortest",
                "activation": "gelu",
                "num_classes": len(weights.meta["categories"]),
                "classes": LABEL_SETS[len(weights.meta["categories"])],
                "params": weights.meta["num_params"],
                "license": weights.meta.get("license", ""),
                **preset,
            }


# CLIP


def open_clip_rows() -> Iterator[Row]:
    """Each pretrained tag of open_clip on the plain CLIPs, once: names in "-quickgelu" hold the same files again."""
    aliases = {url: name for name, url in openai_models().items() if "/" in name}
    for model, config in ARCHITECTURES.items():
        if not isinstance(config, CLIPConfig):
            continue
        for tag, found in open_clip_registry._PRETRAINED.get(model, {}).items():
            quick = found.get("quick_gelu", False)
            image_size = open_clip.get_model_config(model)["vision_cfg"]["image_size"]
            repo, filename = found["hf_hub"].rsplit("/", 1)
            architecture = f"{model}-quickgelu" if quick else model
            name = f"{model}.{tag}"
            yield {
                "name": name,
                "aliases": aliases.get(found["url"], ""),
                "architecture": architecture,
                "source": "openai" if tag == "openai" else "open_clip",
                "repo": CORRECTED_REPOS.get(name, repo),
                "filename": filename or "open_clip_model.safetensors",
                "url": found["url"],
                "image_size": image_size,
                "resize": image_size,
                "interpolation": found["interpolation"],
                "resize_mode": found["resize_mode"],
                "normalisation": NORMALISATIONS[found["mean"], found["std"]],
                "activation": "quickgelu" if quick else "gelu",
                "num_classes": 0,
                "classes": "",
                "params": open_clip_params(model),
                "license": "",
            }


@functools.cache
def open_clip_params(model: str) -> int:
    """Parameters of open_clip's own network."""
    with torch.device("meta"):
        network = open_clip.CLIP(**open_clip.get_model_config(model))
    return sum(weight.numel() for weight in network.parameters())


def openai_models() -> dict[str, str]:
    """OpenAI's names of models -> addresses, read from the source of its `clip.clip`, which does not import."""
    package = importlib.util.find_spec("clip")
    assert package is not None
    assert package.origin is not None
    tree = ast.parse(Path(package.origin).with_name("clip.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_MODELS":
            return ast.literal_eval(node.value)
    raise LookupError("clip/clip.py names no _MODELS any more.")


@functools.cache
def macs(architecture: str, image_size: int, num_classes: int) -> int:
    """Of one image through our image tower."""
    config = find_config(architecture)
    if isinstance(config, CLIPConfig):
        network = outline_model(config)
        assert isinstance(network, CLIP)
        return count_macs(network.visual, image_size)
    config = dataclasses.replace(config, image_size=image_size, num_classes=num_classes)
    return count_macs(outline_model(config), image_size)


if __name__ == "__main__":
    main()
