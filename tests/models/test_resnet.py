from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from visavis.models.resnet import BasicBlock, Bottleneck, ResNet, ResNetConfig
from visavis.zoo.architectures import build_model, find_config, outline_model

TINY = ResNetConfig(block="bottleneck", layers=(1, 2, 1, 1), width=8, image_size=64, num_classes=5)


@pytest.mark.parametrize(
    ("name", "convolutions"), [("resnet18", 20), ("resnet34", 36), ("resnet50", 53), ("resnet101", 104)]
)
def test_depth_counts_the_weighted_layers(name, convolutions):
    # He et al. count without projections: ResNet-50 is 1 + 3 (3 + 4 + 6 + 3) + 1 = 50, and four projections make 53
    model = outline_model(find_config(name))
    total = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    projections = [name for name, _ in model.named_modules() if name.endswith("downsample.0")]
    assert len(total) == convolutions
    assert len(total) - len(projections) + 1 == int(name.removeprefix("resnet"))


def test_shapes_through_the_stages():
    model = build_model(find_config("resnet18"), seed=0)
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: shapes.update({name: tuple(output.shape[1:])})
        )
    assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert shapes == {  # table 1
        "conv1": (64, 112, 112),
        "maxpool": (64, 56, 56),
        "layer1": (64, 56, 56),
        "layer2": (128, 28, 28),
        "layer3": (256, 14, 14),
        "layer4": (512, 7, 7),
    }


@pytest.mark.parametrize("side", [64, 96, 33])
def test_any_input_size_gives_features_and_scores(side):
    model = build_model(TINY, seed=0)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    assert model.features(images).shape == (2, TINY.embed_dim) == (2, 256)
    torch.testing.assert_close(model(images), model.fc(model.features(images)))


def test_the_stride_sits_on_the_3x3():
    model = outline_model(find_config("resnet50"))
    for stage, stride in ((model.layer1, 1), (model.layer2, 2), (model.layer3, 2), (model.layer4, 2)):
        for index, block in enumerate(stage):
            expected = stride if index == 0 else 1
            assert (block.conv1.stride[0], block.conv2.stride[0], block.conv3.stride[0]) == (1, expected, 1)
            assert (block.conv1.kernel_size[0], block.conv2.kernel_size[0], block.conv3.kernel_size[0]) == (
                1,
                3,
                1,
            )


def test_shortcuts_are_identities_but_where_the_shape_changes():
    model = outline_model(find_config("resnet50"))
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        kinds = [isinstance(block.downsample, nn.Identity) for block in stage]
        assert kinds == [False, *[True] * (len(stage) - 1)]
    basic = outline_model(find_config("resnet18"))
    assert isinstance(basic.layer1[0].downsample, nn.Identity)  # 64 channels in, 64 out


@pytest.mark.parametrize("module", [BasicBlock(8, 8, 1), Bottleneck(32, 8, 32, 1, groups=2)])
def test_a_block_whose_residual_is_zero_is_its_shortcut(module):
    module.eval()
    last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
    nn.init.zeros_(last.weight)
    x = torch.randn(2, last.num_features, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(x), torch.relu(x), atol=0, rtol=0)


def test_he_initialisation():
    # He et al. 2015, equation 14: variance 2 / n with n = kernel area times output channels (fan out)
    model = build_model(find_config("resnet50"), seed=0)
    assert isinstance(model, ResNet)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            std = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
            count = module.weight.numel()
            assert float(module.weight.detach().std()) == pytest.approx(std, rel=5 / math.sqrt(2 * count))
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all() and (module.running_var == 1).all())
            assert not any(value.any() for value in (module.bias, module.running_mean, module.num_batches_tracked))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"block": "inverted"}, "block must be 'basic' or 'bottleneck', not 'inverted'"),
        ({"layers": (2, 2, 2)}, r"layers must be four positive counts, one a stage, not \(2, 2, 2\)"),
        ({"layers": (2, 0, 2, 2)}, "layers must be four positive counts"),
        ({"layers": (2, 2.0, 2, 2)}, "layers must be four positive counts"),
        ({"width": 0}, "width must be a whole number from 1 to 1048576, not 0"),
        ({"width": 64.0}, "width must be a whole number"),
        ({"num_classes": -1}, "num_classes must be a whole number"),
        ({"image_size": True}, "image_size must be a whole number"),
    ],
)
def test_impossible_configurations(values, words):
    with pytest.raises(ValueError, match=words):
        ResNetConfig(**{"block": "basic", "layers": (2, 2, 2, 2), **values})
