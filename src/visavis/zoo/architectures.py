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
from visavis.models.transformer import Activation
from visavis.models.vit import VisionTransformer, ViTConfig

Config = ResNetConfig | ViTConfig | CLIPConfig
Model = ResNet | VisionTransformer | CLIP
Family = Literal[
    "supervised-resnet",
    "supervised-vit",
    "clip-resnet",
    "clip-vit",
    # Networks of other libraries alone: neither ResNet nor ViT; neither labels nor language, or it is not known which.
    "supervised-other",
    "clip-other",
    "other-resnet",
    "other-vit",
    "other-other",
]

QUICKGELU = "-quickgelu"  # open_clip's suffix
_MINI_TEXT = TextConfig(context_length=24, vocab_size=1024, width=128, layers=2, heads=2, embed_dim=128)


def _vits(name: str, width: int, layers: int, heads: int, patch_sizes: tuple[int, ...]) -> dict[str, Config]:
    """One size of ViT with several patch sizes, each for images of 224 and 384 pixels."""
    return {
        f"{name}_patch{patch_size}_{image_size}": ViTConfig(
            image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads
        )
        for patch_size in patch_sizes
        for image_size in (224, 384)
    }


def _clip_huge(image_size: int) -> CLIPConfig:
    return CLIPConfig(
        visual=CLIPViTConfig(image_size=image_size, patch_size=14, width=1280, layers=32, heads=16, embed_dim=1024),
        text=TextConfig(width=1024, layers=24, heads=16, embed_dim=1024),
    )


ARCHITECTURES: dict[str, Config] = {
    "resnet18": ResNetConfig(block="basic", layers=(2, 2, 2, 2)),
    "resnet34": ResNetConfig(block="basic", layers=(3, 4, 6, 3)),
    "resnet50": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3)),
    "resnet101": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3)),
    "resnet152": ResNetConfig(block="bottleneck", layers=(3, 8, 36, 3)),
    "wide_resnet50_2": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3), width_per_group=128),
    "wide_resnet101_2": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), width_per_group=128),
    "resnext50_32x4d": ResNetConfig(block="bottleneck", layers=(3, 4, 6, 3), groups=32, width_per_group=4),
    "resnext101_32x4d": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), groups=32, width_per_group=4),
    "resnext101_32x8d": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), groups=32, width_per_group=8),
    "resnext101_32x16d": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), groups=32, width_per_group=16),
    "resnext101_32x32d": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), groups=32, width_per_group=32),
    "resnext101_64x4d": ResNetConfig(block="bottleneck", layers=(3, 4, 23, 3), groups=64, width_per_group=4),
    **_vits("vit_tiny", width=192, layers=12, heads=3, patch_sizes=(16,)),
    **_vits("vit_small", width=384, layers=12, heads=6, patch_sizes=(16, 32)),
    "vit_base_patch8_224": ViTConfig(patch_size=8),
    **_vits("vit_base", width=768, layers=12, heads=12, patch_sizes=(16, 32)),
    **_vits("vit_large", width=1024, layers=24, heads=16, patch_sizes=(16, 32)),
    "vit_huge_patch14_224": ViTConfig(patch_size=14, width=1280, layers=32, heads=16),
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
    "ViT-B-32-256": CLIPConfig(visual=CLIPViTConfig(image_size=256, patch_size=32), text=TextConfig()),
    "ViT-B-16-plus-240": CLIPConfig(
        visual=CLIPViTConfig(image_size=240, patch_size=16, width=896, heads=14, embed_dim=640),
        text=TextConfig(width=640, heads=10, embed_dim=640),
    ),
    "ViT-H-14": _clip_huge(image_size=224),
    "ViT-H-14-378": _clip_huge(image_size=378),
    "ViT-g-14": CLIPConfig(
        visual=CLIPViTConfig(patch_size=14, width=1408, layers=40, heads=16, mlp_width=6144, embed_dim=1024),
        text=TextConfig(width=1024, layers=24, heads=16, embed_dim=1024),
    ),
    "ViT-bigG-14": CLIPConfig(
        visual=CLIPViTConfig(patch_size=14, width=1664, layers=48, heads=16, mlp_width=8192, embed_dim=1280),
        text=TextConfig(width=1280, layers=32, heads=20, embed_dim=1280),
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
    """The configuration of a named architecture; a CLIP's name may end in "-quickgelu", as open_clip's do.

    Raises:
        UsageError: Unknown name; the nearest ones are offered.
    """
    plain = architecture.removesuffix(QUICKGELU)
    config = ARCHITECTURES.get(plain)
    if config is None or (plain != architecture and not isinstance(config, CLIPConfig)):
        hint = did_you_mean(architecture, ARCHITECTURES)
        raise UsageError(f"Unknown architecture {architecture!r}. {hint} `visavis list` shows all.")
    if plain != architecture and isinstance(config, CLIPConfig):
        return with_activation(config, "quickgelu")
    return config


def with_activation(config: CLIPConfig, activation: Activation) -> CLIPConfig:
    """The same CLIP with another nonlinearity in its Transformers; a ResNet tower has none to change."""
    visual = config.visual
    if isinstance(visual, CLIPViTConfig):
        visual = dataclasses.replace(visual, activation=activation)
    return CLIPConfig(visual=visual, text=dataclasses.replace(config.text, activation=activation))


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
