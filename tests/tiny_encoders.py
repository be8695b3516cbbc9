"""Encoders of a few thousand fresh weights, one of each family."""

from __future__ import annotations

from visavis.engine.encoder import Encoder
from visavis.engine.parts import parts_of
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, build_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.preprocess import Preprocess

TEXT = TextConfig(context_length=16, vocab_size=600, width=16, layers=1, heads=2, embed_dim=6)
CONFIGS = {
    "supervised-resnet": ResNetConfig(block="bottleneck", layers=(1, 1, 1, 1), width=4, image_size=32, num_classes=3),
    "supervised-vit": ViTConfig(image_size=32, patch_size=8, width=16, layers=1, heads=2, num_classes=3),
    "clip-resnet": CLIPConfig(
        visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=4, image_size=32, embed_dim=6), text=TEXT
    ),
    "clip-vit": CLIPConfig(
        visual=CLIPViTConfig(image_size=32, patch_size=8, width=16, layers=1, heads=2, embed_dim=6), text=TEXT
    ),
}


def make_encoder(family: str, seed: int = 0, **preprocess) -> Encoder:
    config: Config = CONFIGS[family]
    checkpoint = Checkpoint(
        config=config,
        preprocess=Preprocess(**{"image_size": 32, "resize": 32, **preprocess}),
        state=build_model(config, seed=seed).state_dict(),
        class_names=("a", "b", "c") if family.startswith("supervised") else None,
    )
    return Encoder(f"tiny {family}", parts_of(checkpoint))
