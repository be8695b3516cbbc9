"""Names of architectures and their configurations: a table, and one function that builds a network from a row.

Sources: He et al. 2016, table 1; Dosovitskiy et al. 2021, table 1; Radford et al. 2021, tables 19 and 20.
Supervised models carry timm's names, CLIP models open_clip's.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import torch

from visavis.errors import UsageError, did_you_mean
from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNet, ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import VisionTransformer, ViTConfig

Config = ResNetConfig | ViTConfig | CLIPConfig
Model = ResNet | VisionTransformer | CLIP
Family = Literal["supervised-resnet", "supervised-vit", "clip-resnet", "clip-vit"]

_MINI_TEXT = TextConfig(context_length=24, vocab_size=1024, width=128, layers=2, heads=2, embed_dim=128)

ARCHITECTURES: dict[str, Config] = {
    "resnet18": ResNetConfig(block="basic", layers=(2, 2, 2, 2)),
    "resnet34": ResNetConfig(block="basic", layers=(3, 4, 6, 3)),
    "resnet50": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3)),
    "resnet101": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3)),
    "resnet152": ResNetConfig(block="bottleneck", layers=(3, 8, 36, 3)),
    "vit_base_patch32_224": ViTConfig(patch_size=32),
    "vit_base_patch16_224": ViTConfig(patch_size=16),
    "vit_large_patch16_224": ViTConfig(patch_size=16, width=1024, layers=24, heads=16),
    "RN50": CLIPConfig(
        visual=CLIPResNetConfig(layers=(3, 4, 6, 3), width=64, image_size=224, embed_dim=1024),
        text=TextConfig(width=512, heads=8, embed_dim=1024),
    ),
    "RN101": CLIPConfig(
        visual=CLIPResNetConfig(layers=(3, 4, 23, 3), width=64, image_size=224, embed_dim=512),
        text=TextConfig(width=512, heads=8, embed_dim=512),
    ),
    "RN50x4": CLIPConfig(
        visual=CLIPResNetConfig(layers=(4, 6, 10, 6), width=80, image_size=288, embed_dim=640),
        text=TextConfig(width=640, heads=10, embed_dim=640),
    ),
    "RN50x16": CLIPConfig(
        visual=CLIPResNetConfig(layers=(6, 8, 18, 8), width=96, image_size=384, embed_dim=768),
        text=TextConfig(width=768, heads=12, embed_dim=768),
    ),
    "RN50x64": CLIPConfig(
        visual=CLIPResNetConfig(layers=(3, 15, 36, 10), width=128, image_size=448, embed_dim=1024),
        text=TextConfig(width=1024, heads=16, embed_dim=1024),
    ),
    "ViT-B-32": CLIPConfig(visual=CLIPViTConfig(patch_size=32), text=TextConfig()),
    "ViT-B-16": CLIPConfig(visual=CLIPViTConfig(patch_size=16), text=TextConfig()),
    "ViT-L-14": CLIPConfig(
        visual=CLIPViTConfig(patch_size=14, width=1024, layers=24, heads=16, embed_dim=768),
        text=TextConfig(width=768, heads=12, embed_dim=768),
    ),
    "ViT-L-14-336": CLIPConfig(
        visual=CLIPViTConfig(image_size=336, patch_size=14, width=1024, layers=24, heads=16, embed_dim=768),
        text=TextConfig(width=768, heads=12, embed_dim=768),
    ),
    # Four small networks of nearly equal compute (51 to 57 million MACs an image) that fill the square
    # {ResNet, ViT} x {labels, language}; visavis trains and ships their weights.
    "resnet-mini": ResNetConfig(block="bottleneck", layers=(2, 3, 3, 2), width=28, image_size=64),
    "vit-mini-patch8": ViTConfig(image_size=64, patch_size=8, width=128, layers=4, heads=2),
    "RN-mini": CLIPConfig(
        visual=CLIPResNetConfig(layers=(2, 2, 3, 2), width=24, image_size=64, embed_dim=128), text=_MINI_TEXT
    ),
    "ViT-mini-8": CLIPConfig(
        visual=CLIPViTConfig(image_size=64, patch_size=8, width=128, layers=4, heads=2, embed_dim=128),
        text=_MINI_TEXT,
    ),
}


def find_config(architecture: str) -> Config:
    """The configuration of a named architecture. Raises UsageError with the nearest names."""
    if architecture not in ARCHITECTURES:
        hint = did_you_mean(architecture, ARCHITECTURES)
        raise UsageError(f"Unknown architecture {architecture!r}. {hint} `visavis list` shows all.")
    return ARCHITECTURES[architecture]


def family_of(config: Config) -> Family:
    """The corner of {ResNet, ViT} x {labels, language} that a configuration belongs to."""
    if isinstance(config, CLIPConfig):
        return "clip-resnet" if isinstance(config.visual, CLIPResNetConfig) else "clip-vit"
    return "supervised-resnet" if isinstance(config, ResNetConfig) else "supervised-vit"


def build_model(config: Config, seed: int | None = None) -> Model:
    """A network, in evaluation mode.

    Args:
        config: What to build.
        seed: Seed of the fresh weights; None leaves them uninitialised, to be filled from a checkpoint.
    """
    model = outline_model(config).to_empty(device="cpu")
    if seed is not None:
        model.init_weights(torch.Generator().manual_seed(seed))
    return model.eval()


def outline_model(config: Config) -> Model:
    """A network of torch's meta device: names and shapes without memory for weights."""
    with torch.device("meta"):
        if isinstance(config, CLIPConfig):
            return CLIP(config)
        return ResNet(config) if isinstance(config, ResNetConfig) else VisionTransformer(config)


def count_blocks(config: Config) -> int:
    """Residual and Transformer blocks of all towers, known before anything is built."""
    if isinstance(config, CLIPConfig):
        return _blocks_of(config.visual) + config.text.layers
    return _blocks_of(config)


def _blocks_of(tower: ResNetConfig | ViTConfig | CLIPResNetConfig | CLIPViTConfig) -> int:
    return sum(tower.layers) if isinstance(tower.layers, tuple) else tower.layers


def config_to_dict(config: Config) -> dict[str, Any]:
    """A configuration as plain data, for a checkpoint's metadata."""
    return {"family": family_of(config), **dataclasses.asdict(config)}


def config_from_dict(data: dict[str, Any]) -> Config:
    """The configuration that `config_to_dict` wrote. Raises ValueError or TypeError where the data does not fit."""
    fields = dict(data)
    family = fields.pop("family", None)
    if family == "supervised-resnet":
        return ResNetConfig(**{**fields, "layers": tuple(fields["layers"])})
    if family == "supervised-vit":
        return ViTConfig(**fields)
    if family == "clip-resnet":
        visual = fields["visual"]
        tower = CLIPResNetConfig(**{**visual, "layers": tuple(visual["layers"])})
        return CLIPConfig(visual=tower, text=TextConfig(**fields["text"]))
    if family == "clip-vit":
        return CLIPConfig(visual=CLIPViTConfig(**fields["visual"]), text=TextConfig(**fields["text"]))
    raise ValueError(f"family must be one of visavis's four, not {family!r}.")
