"""The networks against the published implementations: same names, same shapes, same outputs from the same weights.

Every peer gets random weights, none left at zero or one, and hands its state dict to ours, which must take all of it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType

import open_clip
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.transformer import Activation
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import ARCHITECTURES, Model, build_model, find_config
from visavis.zoo.tokenizer import Tokenizer

TOLERANCE = 1e-4  # of the largest output; float32 sums in another order differ by some 1e-6 a layer
TEXTS = ["a photo of a dog", "", "an emoji of a red apple, seen from above", "x " * 100]

# How torchvision's and timm's ViTs name what CLIP's names call otherwise.
VIT_NAMES = {
    "torchvision": (
        (r"^class_token$", "class_embedding"),
        (r"^encoder\.pos_embedding$", "positional_embedding"),
        (r"^conv_proj\.", "conv1."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"transformer.resblocks.\1."),
        (r"\.self_attention\.", ".attn."),
        (r"\.mlp\.0\.", ".mlp.c_fc."),
        (r"\.mlp\.3\.", ".mlp.c_proj."),
        (r"^encoder\.ln\.", "ln_post."),
        (r"^heads\.head\.", "head."),
    ),
    "timm": (
        (r"^cls_token$", "class_embedding"),
        (r"^pos_embed$", "positional_embedding"),
        (r"^patch_embed\.proj\.", "conv1."),
        (r"^blocks\.(\d+)\.", r"transformer.resblocks.\1."),
        (r"\.norm(\d)\.", r".ln_\1."),
        (r"\.attn\.qkv\.", ".attn.in_proj_"),
        (r"\.attn\.proj\.", ".attn.out_proj."),
        (r"\.mlp\.fc1\.", ".mlp.c_fc."),
        (r"\.mlp\.fc2\.", ".mlp.c_proj."),
        (r"^norm\.", "ln_post."),
    ),
}


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_resnet_names_and_shapes(library, name):
    with torch.device("meta"):
        peer = torchvision.models.get_model(name) if library == "torchvision" else timm.create_model(name)
    assert shapes(peer.state_dict()) == shapes(build_model(find_config(name)).state_dict())


@pytest.mark.parametrize("name", [n for n, c in ARCHITECTURES.items() if isinstance(c, CLIPConfig) and "mini" not in n])
def test_clip_names_and_shapes(name):
    with torch.device("meta"):
        peer = open_clip.CLIP(**open_clip.get_model_config(name))
    assert shapes(clip_state(peer)) == shapes(build_model(find_config(name)).state_dict())


@pytest.mark.parametrize("name", ["vit_base_patch32_224", "vit_base_patch16_224", "vit_large_patch16_224"])
def test_vit_names_and_shapes(name):
    with torch.device("meta"):
        peer = timm.create_model(name)
    assert shapes(vit_state(peer, "timm")) == shapes(build_model(find_config(name)).state_dict())


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
    ours = filled(config, vit_state(peer, library))
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
    ours = filled(CLIPConfig(visual=visual, text=text), clip_state(peer))
    assert_towers_close(ours, peer, pictures(3, 64))
    images, tokens = pictures(3, 64), torch.from_numpy(Tokenizer(1024, 24)(TEXTS))
    assert_close(ours(images, tokens), peer(images, tokens)[0])


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "ViT-B-32-quickgelu"])
def test_open_clip(name):
    """Full size, as published."""
    peer = randomised(open_clip.CLIP(**open_clip.get_model_config(name)))
    config = find_config(name.removesuffix("-quickgelu"))
    if name.endswith("-quickgelu"):
        config = with_activation(config, "quickgelu")
    ours = filled(config, clip_state(peer))
    assert_towers_close(ours, peer, pictures(2, 224))


def test_the_wrong_activation_is_noticed():
    peer = randomised(open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu")))
    ours = filled(find_config("ViT-B-32"), clip_state(peer))
    images = pictures(2, 224)
    assert relative_gap(ours.encode_image(images), peer.encode_image(images)) > 10 * TOLERANCE


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def with_activation(config: CLIPConfig, activation: Activation) -> CLIPConfig:
    """The same CLIP with another nonlinearity in both towers."""
    return replace(
        config,
        visual=replace(config.visual, activation=activation),
        text=replace(config.text, activation=activation),
    )


def filled(config: ResNetConfig | ViTConfig | CLIPConfig, state: dict[str, Tensor]) -> Model:
    """Our network with a peer's weights, all of them and no others."""
    model = build_model(config)
    model.load_state_dict(state, strict=True)
    return model


def clip_state(peer: nn.Module) -> dict[str, Tensor]:
    """A CLIP's weights; the text tower, which its authors spread over the top level, under `text.`."""
    image_or_shared = ("visual.", "logit_scale")
    return {
        name if name.startswith(image_or_shared) else f"text.{name}": tensor
        for name, tensor in peer.state_dict().items()
    }


def vit_state(peer: nn.Module, library: str) -> dict[str, Tensor]:
    """A supervised ViT's weights under CLIP's names; class token and positions without their batch axis."""
    state = {}
    for name, tensor in peer.state_dict().items():
        ours = name
        for pattern, replacement in VIT_NAMES[library]:
            ours = re.sub(pattern, replacement, ours)
        state[ours] = tensor
    state["class_embedding"] = state["class_embedding"].flatten()
    state["positional_embedding"] = state["positional_embedding"].squeeze(0)
    return state


def randomised(peer: nn.Module) -> nn.Module:
    """The peer in evaluation mode, with noise on every weight, and norms and batch statistics far from their start."""
    generator = torch.Generator().manual_seed(5)
    for parameter in peer.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator) * 0.02
    for module in peer.modules():
        if isinstance(module, nn.Conv2d):  # else a deep network forgets its input, and any two would agree
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return peer.eval()


def pictures(count: int, side: int) -> Tensor:
    """Soft blots of colour under noise, for pooling averages noise alone away: [count, 3, side, side]."""
    generator = torch.Generator().manual_seed(6)
    blots = torch.randn(count, 3, 4, 4, generator=generator)
    noise = torch.randn(count, 3, side, side, generator=generator)
    return nn.functional.interpolate(blots, size=(side, side), mode="bilinear") * 2 + noise * 0.5


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def assert_towers_close(ours: CLIP, peer: nn.Module, images: Tensor) -> None:
    config = ours.config.text
    tokens = torch.from_numpy(Tokenizer(config.vocab_size, config.context_length)(TEXTS))
    assert_close(ours.encode_image(images), peer.encode_image(images))
    assert_close(ours.encode_text(tokens), peer.encode_text(tokens))


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Equal up to the tolerance, while the rows differ by far more: outputs that ignored the input would not do."""
    assert relative_gap(theirs[1:], theirs[:-1]) > 100 * TOLERANCE
    assert relative_gap(ours, theirs) <= TOLERANCE


def relative_gap(values: Tensor, reference: Tensor) -> float:
    """The largest difference as a fraction of the largest reference value."""
    assert values.shape == reference.shape
    return float((values - reference).abs().max() / reference.abs().max())
