"""The networks against the published implementations: the same outputs from the same weights.

Every peer gets random weights, none left at zero or one, and hands its state dict to ours, which must take all of it.
Names, shapes and files are compared in test_layouts_parity.py.
"""

from __future__ import annotations

from types import ModuleType

import open_clip
import pytest
import timm
import torch
import torchvision
from comparing import TOLERANCE, assert_close, pictures, randomised, relative_gap, tokens
from torch import Tensor, nn

from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, Model, build_model, find_config
from visavis.zoo.layouts.names import find_layout, to_visavis


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet(library, name):
    peer = randomised(torchvision.models.get_model(name) if library == "torchvision" else timm.create_model(name))
    ours = filled(find_config(name), peer.state_dict())
    images = pictures(2, 96)
    assert_close(ours(images), peer(images))


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_vit(library):
    if library == "torchvision":
        peer = torchvision.models.VisionTransformer(48, 16, 3, 4, hidden_dim=64, mlp_dim=256, num_classes=10)
    else:
        peer = timm.models.VisionTransformer(48, 16, depth=3, num_heads=4, embed_dim=64, num_classes=10)
    randomised(peer)
    config = ViTConfig(image_size=48, patch_size=16, width=64, layers=3, heads=4, num_classes=10)
    ours = filled(config, peer.state_dict())
    images = pictures(3, 48)
    assert_close(ours(images), peer(images))


@pytest.mark.parametrize(
    ("vision_layers", "visual"),
    [
        ((1, 2, 1, 1), CLIPResNetConfig(layers=(1, 2, 1, 1), width=8, image_size=64, embed_dim=24)),
        (
            3,
            CLIPViTConfig(
                image_size=64,
                patch_size=16,
                width=128,
                layers=3,
                heads=2,
                embed_dim=24,
                activation="quickgelu",
            ),
        ),
    ],
)
def test_openai_clip(openai_model_module: ModuleType, vision_layers, visual):
    """OpenAI's own model, small; its heads are always 64 wide."""
    text = TextConfig(
        context_length=24, vocab_size=1024, width=64, layers=2, heads=4, embed_dim=24, activation="quickgelu"
    )
    peer = randomised(
        openai_model_module.CLIP(
            embed_dim=24,
            image_resolution=64,
            vision_layers=vision_layers,
            vision_width=visual.width,
            vision_patch_size=16,
            context_length=24,
            vocab_size=1024,
            transformer_width=64,
            transformer_heads=4,
            transformer_layers=2,
        )
    )
    ours = filled(CLIPConfig(visual=visual, text=text), peer.state_dict())
    assert_towers_close(ours, peer, pictures(3, 64))
    images, texts = pictures(3, 64), tokens(text)
    assert_close(ours(images, texts), peer(images, texts)[0])


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "ViT-B-32-quickgelu"])
def test_open_clip(name):
    """Full size, as published."""
    peer = randomised(open_clip.CLIP(**open_clip.get_model_config(name)))
    ours = filled(find_config(name), peer.state_dict())
    assert_towers_close(ours, peer, pictures(2, 224))


def test_the_wrong_activation_is_noticed():
    peer = randomised(open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu")))
    ours = filled(find_config("ViT-B-32"), peer.state_dict())
    images = pictures(2, 224)
    assert relative_gap(ours.encode_image(images), peer.encode_image(images)) > 10 * TOLERANCE


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def filled(config: Config, theirs: dict[str, Tensor]) -> Model:
    """Our network with a peer's weights, all of them and no others."""
    model = build_model(config)
    model.load_state_dict(to_visavis(find_layout(theirs), theirs, config), strict=True)
    return model


def assert_towers_close(ours: CLIP, peer: nn.Module, images: Tensor) -> None:
    texts = tokens(ours.config.text)
    assert_close(ours.encode_image(images), peer.encode_image(images))
    assert_close(ours.encode_text(texts), peer.encode_text(texts))
