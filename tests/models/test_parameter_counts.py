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


def test_the_small_ones():
    text = text_parameters(128, 2, 128, 1024, 24)
    small = {
        "resnet-mini": resnet_parameters((2, 3, 3, 2), 28, 1000),
        "vit-mini-patch8": vit_parameters(64, 8, 128, 4) + 128 + 128 * 1000 + 1000,
        "RN-mini": clip_resnet_parameters((2, 2, 3, 2), 24, 64, 128) + text + 1,
        "ViT-mini-8": clip_vit_parameters(64, 8, 128, 4, 128) + text + 1,
    }
    assert {name: parameters(outline_model(find_config(name))) for name in small} == small


# (blocks a stage, groups, channels of a group in the first stage)
GROUPED = {
    "wide_resnet50_2": ((3, 4, 6, 3), 1, 128),
    "wide_resnet101_2": ((3, 4, 23, 3), 1, 128),
    "resnext50_32x4d": ((3, 4, 6, 3), 32, 4),
    "resnext101_32x4d": ((3, 4, 23, 3), 32, 4),
    "resnext101_32x8d": ((3, 4, 23, 3), 32, 8),
    "resnext101_32x16d": ((3, 4, 23, 3), 32, 16),
    "resnext101_32x32d": ((3, 4, 23, 3), 32, 32),
    "resnext101_64x4d": ((3, 4, 23, 3), 64, 4),
}
VIT_SIZES = {"tiny": (192, 12), "small": (384, 12), "base": (768, 12), "large": (1024, 24), "huge": (1280, 32)}
SUPERVISED_VITS = sorted(name for name in ARCHITECTURES if name.startswith("vit_"))
LARGER_CLIPS = {  # image side, patch, width, layers, feed-forward width; text width and layers; shared space
    "ViT-B-32-256": ((256, 32, 768, 12, 3072), (512, 12), 512),
    "ViT-B-16-plus-240": ((240, 16, 896, 12, 3584), (640, 12), 640),
    "ViT-H-14": ((224, 14, 1280, 32, 5120), (1024, 24), 1024),
    "ViT-H-14-378": ((378, 14, 1280, 32, 5120), (1024, 24), 1024),
    "ViT-g-14": ((224, 14, 1408, 40, 6144), (1024, 24), 1024),
    "ViT-bigG-14": ((224, 14, 1664, 48, 8192), (1280, 32), 1280),
}


def test_grouped_formula_agrees_with_published_counts():
    # torchvision's documentation of wide_resnet50_2 and resnext50_32x4d
    assert resnet_parameters((3, 4, 6, 3), 64, 1000, inner=128) == 68_883_240
    assert resnet_parameters((3, 4, 6, 3), 64, 1000, inner=128, groups=32) == 25_028_904


@pytest.mark.parametrize("name", GROUPED)
def test_wide_and_grouped_resnets(name):
    layers, groups, group_width = GROUPED[name]
    wanted = resnet_parameters(layers, 64, 1000, inner=groups * group_width, groups=groups)
    assert parameters(outline_model(find_config(name))) == wanted


@pytest.mark.parametrize("name", SUPERVISED_VITS)
def test_supervised_vits(name):
    _, size, patch, image_size = name.split("_")
    width, layers = VIT_SIZES[size]
    wanted = vit_parameters(int(image_size), int(patch.removeprefix("patch")), width, layers)
    assert parameters(outline_model(find_config(name))) == wanted + width + width * 1000 + 1000


@pytest.mark.parametrize("name", LARGER_CLIPS)
def test_larger_clips(name):
    (image_size, patch, width, layers, mlp_width), (text_width, text_layers), embed_dim = LARGER_CLIPS[name]
    image = clip_vit_parameters(image_size, patch, width, layers, embed_dim)
    image += layers * (mlp_width - 4 * width) * (2 * width + 1)
    text = text_parameters(text_width, text_layers, embed_dim, 49408, 77)
    assert parameters(outline_model(find_config(name))) == image + text + 1


def test_every_architecture_is_counted_in_this_file():
    formulas = {"RN50x16", "RN50x64", "ViT-L-14-336", *SUPERVISED_VITS, *GROUPED, *LARGER_CLIPS}
    small = {"resnet-mini", "vit-mini-patch8", "RN-mini", "ViT-mini-8"}
    assert {row["name"] for row in PUBLISHED} | formulas | small == set(ARCHITECTURES)


def conv(inputs: int, outputs: int, side: int) -> int:
    """A convolution without bias and the batch norm behind it."""
    return inputs * outputs * side * side + 2 * outputs


def bottlenecks(layers: tuple[int, ...], width: int, first_inner: int, groups: int = 1) -> int:
    """Four stages of 1x1, 3x3, 1x1 with a projection in each stage's first block."""
    total, inputs = 0, width
    for stage, blocks in enumerate(layers):
        inner, outputs = first_inner * 2**stage, 4 * width * 2**stage
        for block in range(blocks):
            grouped = inner * (inner // groups) * 9 + 2 * inner
            total += conv(inputs, inner, 1) + grouped + conv(inner, outputs, 1)
            total += conv(inputs, outputs, 1) if block == 0 else 0
            inputs = outputs
    return total


def resnet_parameters(layers: tuple[int, ...], width: int, classes: int, inner: int = 0, groups: int = 1) -> int:
    return conv(3, width, 7) + bottlenecks(layers, width, inner or width, groups) + (32 * width + 1) * classes


def clip_resnet_parameters(layers: tuple[int, ...], width: int, image_size: int, embed_dim: int) -> int:
    stem = conv(3, width // 2, 3) + conv(width // 2, width // 2, 3) + conv(width // 2, width, 3)
    channels, places = 32 * width, (image_size // 32) ** 2 + 1
    pool = places * channels + 3 * (channels + 1) * channels + (channels + 1) * embed_dim
    return stem + bottlenecks(layers, width, width) + pool


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
