"""Parameters and layers, to the unit: against the live libraries' counts (architectures.csv) and against formulas."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from torch import nn

from visavis.models.clip import CLIP
from visavis.zoo.architectures import ARCHITECTURES, find_config, outline_model

with (Path(__file__).parent / "architectures.csv").open(encoding="utf-8", newline="") as file:
    PUBLISHED = list(csv.DictReader(file))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def modules(model: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in model.modules())


def test_all_published_rows_are_compared():
    assert len(PUBLISHED) == 13


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row["name"])
def test_published_counts(row):
    model = outline_model(find_config(row["name"]))
    image_tower = model.visual if isinstance(model, CLIP) else model
    assert parameters(model) == int(row["params_total"])
    assert parameters(image_tower) == int(row["params_image"])
    if isinstance(model, CLIP):
        assert parameters(model) - parameters(image_tower) - 1 == int(row["params_text"])  # 1: the logit scale
        assert len(model.text.transformer.blocks()) == int(row["transformer_blocks_text"])
    assert modules(image_tower, nn.Conv2d) == int(row["conv_layers"])
    assert modules(image_tower, nn.Linear) == int(row["linear_layers"])
    assert model.config.embed_dim == int(row["embed_dim"])
    assert model.config.image_size == int(row["image_size"])


# The rest of CLIP's table 20 and the small ones: counted by the formulas below, written out from the papers alone.


def test_the_formulas_agree_with_the_published_counts():
    assert resnet_parameters((3, 4, 6, 3), 64, 1000) == 25_557_032  # resnet50
    assert vit_parameters(224, 16, 768, 12) + 768 + 768 * 1000 + 1000 == 86_567_656  # vit_base_patch16_224
    assert clip_resnet_parameters((4, 6, 10, 6), 80, 288, 640) == 87_137_080  # RN50x4
    assert clip_vit_parameters(224, 14, 1024, 24, 768) == 303_966_208  # ViT-L-14
    assert text_parameters(768, 12, 768, 49408, 77) == 123_650_304  # ViT-L-14


@pytest.mark.parametrize(
    ("name", "layers", "width", "image_size", "embed_dim"),
    [("RN50x16", (6, 8, 18, 8), 96, 384, 768), ("RN50x64", (3, 15, 36, 10), 128, 448, 1024)],
)
def test_the_largest_clip_resnets(name, layers, width, image_size, embed_dim):
    model = outline_model(find_config(name))
    assert isinstance(model, CLIP)
    assert parameters(model.visual) == clip_resnet_parameters(layers, width, image_size, embed_dim)
    assert parameters(model.text) == text_parameters(embed_dim, 12, embed_dim, 49408, 77)


def test_vit_l_14_336_has_more_positions_than_vit_l_14_and_nothing_else():
    # (336 / 14) ** 2 - (224 / 14) ** 2 = 576 - 256 = 320 positions of width 1024
    small, large = (parameters(outline_model(find_config(name))) for name in ("ViT-L-14", "ViT-L-14-336"))
    assert large - small == 320 * 1024


def test_vit_large():
    assert parameters(outline_model(find_config("vit_large_patch16_224"))) == (
        vit_parameters(224, 16, 1024, 24) + 1024 + 1024 * 1000 + 1000  # with the patch embedding's bias and the head
    )


def test_the_small_ones():
    text = text_parameters(128, 2, 128, 1024, 24)
    small = {
        "resnet-mini": resnet_parameters((2, 3, 3, 2), 28, 1000),
        "vit-mini-patch8": vit_parameters(64, 8, 128, 4) + 128 + 128 * 1000 + 1000,
        "RN-mini": clip_resnet_parameters((2, 2, 3, 2), 24, 64, 128) + text + 1,
        "ViT-mini-8": clip_vit_parameters(64, 8, 128, 4, 128) + text + 1,
    }
    assert {name: parameters(outline_model(find_config(name))) for name in small} == small


def test_every_architecture_is_counted_in_this_file():
    formulas = {"RN50x16", "RN50x64", "ViT-L-14-336", "vit_large_patch16_224"}
    small = {"resnet-mini", "vit-mini-patch8", "RN-mini", "ViT-mini-8"}
    assert {row["name"] for row in PUBLISHED} | formulas | small == set(ARCHITECTURES)


def conv(inputs: int, outputs: int, side: int) -> int:
    """A convolution without bias and the batch norm behind it."""
    return inputs * outputs * side * side + 2 * outputs


def bottlenecks(layers: tuple[int, ...], width: int) -> int:
    """Four stages of 1x1, 3x3, 1x1 with a projection in each stage's first block."""
    total, inputs = 0, width
    for stage, blocks in enumerate(layers):
        inner = width * 2**stage
        for block in range(blocks):
            total += conv(inputs, inner, 1) + conv(inner, inner, 3) + conv(inner, 4 * inner, 1)
            total += conv(inputs, 4 * inner, 1) if block == 0 else 0
            inputs = 4 * inner
    return total


def resnet_parameters(layers: tuple[int, ...], width: int, classes: int) -> int:
    return conv(3, width, 7) + bottlenecks(layers, width) + (32 * width + 1) * classes


def clip_resnet_parameters(layers: tuple[int, ...], width: int, image_size: int, embed_dim: int) -> int:
    stem = conv(3, width // 2, 3) + conv(width // 2, width // 2, 3) + conv(width // 2, width, 3)
    channels, places = 32 * width, (image_size // 32) ** 2 + 1
    pool = places * channels + 3 * (channels + 1) * channels + (channels + 1) * embed_dim
    return stem + bottlenecks(layers, width) + pool


def blocks_parameters(width: int, layers: int) -> int:
    attention = 3 * width * (width + 1) + width * (width + 1)
    feed_forward = 4 * width * (width + 1) + width * (4 * width + 1)
    return layers * (attention + feed_forward + 4 * width)  # two layer norms of a scale and a shift


def vit_parameters(image_size: int, patch: int, width: int, layers: int) -> int:
    """Patch embedding without bias, class token, positions, blocks, last norm."""
    positions = (image_size // patch) ** 2 + 1
    return 3 * patch**2 * width + width + positions * width + blocks_parameters(width, layers) + 2 * width


def clip_vit_parameters(image_size: int, patch: int, width: int, layers: int, embed_dim: int) -> int:
    return vit_parameters(image_size, patch, width, layers) + 2 * width + width * embed_dim  # norm before, projection


def text_parameters(width: int, layers: int, embed_dim: int, vocabulary: int, context: int) -> int:
    return (vocabulary + context) * width + blocks_parameters(width, layers) + 2 * width + width * embed_dim
