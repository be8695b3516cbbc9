"""Receptive fields against an oracle that knows no formula: what lights up when one line of the image does.

Every network here has positive weights, no biases and no norms, so that a lit pixel can only raise what sees it: one
line of the image is lit after the other, and a place of a map sees those lines by which it is not zero.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_networks import Called, conv
from torch import Tensor, nn

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.tree import Layer, Shape
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNet
from visavis.models.resnet import ResNet
from visavis.zoo.architectures import ARCHITECTURES

HEIGHT_AND_WIDTH = (2, 3)
ON_MAPS = ("Conv2d", "MaxPool2d", "AvgPool2d", "ReLU", "ZeroPad2d")


def positive(module: nn.Module) -> nn.Module:
    """All weights one, all biases zero."""
    for name, parameter in module.named_parameters():
        nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    return module.eval().requires_grad_(False)


def lit(network: nn.Module, names: Sequence[str], lines: Sequence[int], axis: int, shape: Shape) -> dict[str, Tensor]:
    """Of modules by name which places along an axis see which lines of images of that shape: [places, lines]."""
    images = torch.zeros(len(lines), 3, *shape)
    for number, line in enumerate(lines):
        images.select(axis, line)[number] = 1.0
    seen: dict[str, Tensor] = {}

    def keep(name: str, outputs: Tensor) -> None:
        seen.setdefault(name, (outputs.amax(dim=(1, 5 - axis)) > 0).T)  # a module's first run has its plain name

    handles = [
        network.get_submodule(name).register_forward_hook(lambda module, args, made, name=name: keep(name, made))
        for name in names
    ]
    network(images)
    for handle in handles:
        handle.remove()
    return seen


def field(layer: Layer, place: int) -> tuple[int, int]:
    """The first and the last line that a place of a layer sees, as the anatomy says."""
    assert layer.receptive_field is not None
    assert layer.stride is not None
    assert layer.centre is not None
    low = int(layer.centre - (layer.receptive_field - 1) / 2 + place * layer.stride)
    return low, low + layer.receptive_field - 1


def on_maps(network: nn.Module, side: int) -> list[Layer]:
    """All layers that work on maps, once their weights are one."""
    walk = inspect(positive(network), image_size=side).towers[0].root.walk()
    local = [layer for layer in walk if layer.kind in ON_MAPS and "#" not in layer.name]
    assert local
    return local


def assert_fields(network: nn.Module, side: int) -> None:
    """What all places see along both axes; those at the border see less."""
    layers = on_maps(network, side)
    for axis in HEIGHT_AND_WIDTH:
        seen = lit(network, [layer.name for layer in layers], range(side), axis, (side, side))
        for layer in layers:
            inner = 0
            for place, own in enumerate(seen[layer.name]):
                low, high = field(layer, place)
                lines = own.nonzero().flatten().tolist()
                if low >= 0 and high < side:
                    inner += 1
                    assert (lines[0], lines[-1]) == (low, high)
                assert all(low <= line <= high for line in lines)
            assert inner, "no place sees nothing but the image"


def assert_ends(network: nn.Module, side: int, across: int) -> None:
    """That the middle place of each layer sees its field's first and last line, and none beyond them.

    Args:
        network: A deep one, for which all lines would be many.
        side: Height of the images.
        across: Their width.
    """
    layers = on_maps(network, side)
    ends = {layer.name: field(layer, layer.output_shape[1] // 2) for layer in layers}
    lines = sorted({line for low, high in ends.values() for line in (low - 1, low, high, high + 1)})
    assert lines[0] >= 0
    assert lines[-1] < side
    seen = lit(network, list(ends), lines, 2, (side, across))
    for layer in layers:
        low, high = ends[layer.name]
        own = dict(zip(lines, seen[layer.name][layer.output_shape[1] // 2].tolist(), strict=True))
        assert [own[line] for line in (low - 1, low, high, high + 1)] == [False, True, True, False], layer.name


@st.composite
def stacks(draw: st.DrawFn) -> nn.Sequential:
    """Two to five layers whose windows need not divide anything."""
    layers: list[nn.Module] = []
    channels = 3
    for _ in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from(["conv", "conv", "grouped", "max", "average", "relu", "zeros"]))
        size = draw(st.integers(1, 4))
        step = draw(st.integers(1, 2))
        pad = draw(st.integers(0, size // 2))
        if kind == "conv":
            width = draw(st.integers(1, 4))
            gap = draw(st.integers(1, 2))
            layers.append(nn.Conv2d(channels, width, size, step, pad, gap, bias=False))
            channels = width
        elif kind == "grouped":
            layers.append(nn.Conv2d(channels, 2 * channels, size, step, pad, groups=channels, bias=False))
            channels *= 2
        elif kind == "max":
            layers.append(nn.MaxPool2d(size, step, pad, ceil_mode=draw(st.booleans())))
        elif kind == "average":
            layers.append(nn.AvgPool2d(size, step, pad, ceil_mode=draw(st.booleans())))
        elif kind == "zeros":
            layers.append(nn.ZeroPad2d(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) * 2))
        else:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def span(network: nn.Sequential) -> int:
    """A side at which even the last layer has places that see none but the image."""
    field = stride = 1
    for layer in network:
        if hasattr(layer, "kernel_size"):
            size, step, gap = (
                value[0] if isinstance(value, tuple) else value
                for value in (layer.kernel_size, layer.stride, getattr(layer, "dilation", 1))
            )
            field += (size - 1) * gap * stride
            stride *= step
    return field + 8 * stride


@settings(max_examples=40, deadline=None)
@given(stacks())
def test_any_stack(network):
    side = span(network)
    assume(side <= 64)
    assert_fields(network, side)


class Bottleneck(nn.Module):
    """The residual block of He et al. 2016, with the stride on its first convolution or on its second."""

    def __init__(self, channels: int, width: int, stride: int, on_first: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if on_first else (1, stride)
        self.conv1 = nn.Conv2d(channels, width, 1, first, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, second, 1, bias=False)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.relu = nn.ReLU()
        changes = stride > 1 or channels != 4 * width
        self.downsample = nn.Conv2d(channels, 4 * width, 1, stride, bias=False) if changes else None

    def forward(self, images: Tensor) -> Tensor:
        shortcut = images if self.downsample is None else self.downsample(images)
        return self.relu(self.conv3(self.relu(self.conv2(self.relu(self.conv1(images))))) + shortcut)


class ResNet50(nn.Module):
    """Its arrangement with two channels in place of 64, for a field of view has nothing to do with them."""

    def __init__(self, on_first: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 7, 2, 3, bias=False)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 2
        self.stages = nn.ModuleList()
        for stage, blocks in enumerate((3, 4, 6, 3)):
            strides = [2 if stage else 1] + [1] * (blocks - 1)
            self.stages.append(nn.Sequential())
            for stride in strides:
                self.stages[-1].append(Bottleneck(channels, 2, stride, on_first))
                channels = 8
        self.fc = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maxpool(self.conv1(images))
        for stage in self.stages:
            maps = stage(maps)
        return self.fc(maps.mean((2, 3)))


BRANCHES = {  # ways that meet, and layouts that are not [batch, channels, height, width]
    "a wide branch beside a narrow one": Called(
        lambda x, a, b, c: c(torch.cat([a(x), b(x)], 1)),
        a=conv(3, 2, 1),
        b=conv(3, 2, 5, padding=2),
        c=conv(4, 2, 3, stride=2),
    ),
    "a skip over two layers": Called(
        lambda x, a, b, c: c(x + b(a(x))), a=conv(3, 4, 3, padding=1), b=conv(4, 3, 3, padding=1), c=conv(3, 2, 3)
    ),
    "a shortcut that is cut, and one that is thinned out": Called(
        lambda x, a, b, c: c(b(a(x)) + a(x)[:, :, 2:-2, 2:-2][:, :, ::2, ::2]),
        a=conv(3, 3, 3),
        b=conv(3, 3, 5, stride=2),
        c=conv(3, 2, 2, padding=1),
    ),
    "channels last": Called(
        lambda x, a, b, c: c(b(a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)),
        a=conv(3, 16, 4, stride=4),
        b=nn.Linear(16, 16),
        c=conv(16, 2, 3),
    ),
    "a norm of the channels by hand": Called(
        lambda x, a, b: b(F.relu(a(x)) / F.relu(a(x)).pow(2).mean(1, keepdim=True).add(1).sqrt()),
        a=conv(3, 16, 4, stride=4),
        b=conv(16, 2, 3),
    ),
    "half of the channels": Called(
        lambda x, a, b, c: c(b(a(x).chunk(2, 1)[0])), a=conv(3, 8, 3), b=conv(4, 6, 3), c=conv(6, 2, 3)
    ),
    "tokens and back": Called(
        lambda x, a, b, c: c(b(a(x).flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (16, 16))),
        a=conv(3, 8, 4, stride=4),
        b=nn.Linear(8, 12),
        c=conv(12, 2, 3),
    ),
    "a part of each token": Called(
        lambda x, a, b, c: c(b(a(x).flatten(2).transpose(1, 2).chunk(2, -1)[0]).mT.unflatten(2, (16, 16))),
        a=conv(3, 8, 4, stride=4),
        b=nn.Linear(4, 12),
        c=conv(12, 2, 3),
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_ways_that_meet(name):
    assert_fields(BRANCHES[name], 64)


@pytest.mark.parametrize(("on_first", "pixels"), [(True, 483), (False, 427)])
def test_resnet_50_with_its_stride_on_either_convolution(on_first, pixels):
    """483 is Araujo et al.'s figure, for the network of the paper; 427 that of torchvision's and timm's."""
    network = ResNet50(on_first)
    assert_ends(network, side=pixels + 3 * 32, across=1)
    anatomy = inspect(network)
    assert anatomy.towers[0].root.find("stages.3").receptive_field == pixels
    (rule,) = (rule for rule in anatomy.rules if "Araujo" in rule.source)
    assert rule.number == pixels
    assert "427" in f"{rule.says} {rule.number}"
    assert "483" in f"{rule.says} {rule.number}"
    assert sum(math.prod(map(int, term.split(" x "))) for term in rule.sum.split(" + ")) == pixels


@pytest.mark.parametrize(
    ("name", "field"),
    # Of the last map. The first four rows are Araujo et al.'s table for networks with the stride on the 3x3.
    [("resnet50", 427), ("resnet101", 971), ("resnet152", 1451), ("RN50", 457), ("RN101", 1001)],
)
def test_published_networks(name, field):
    anatomy = inspect(name)
    assert anatomy.towers[0].root.find("layer4").receptive_field == field
    assert anatomy.towers[0].root.find("layer4").stride == 32


@pytest.mark.parametrize("name", ["resnet18", "RN50"])
def test_the_oracle_on_our_networks(name):
    """At their full depth, and narrow; attention pooling, which takes one size of map alone, is left out."""
    config = ARCHITECTURES[name]
    if isinstance(config, CLIPConfig):
        network = CLIPResNet(dataclasses.replace(config.visual, width=4, image_size=640, embed_dim=8))
        network.attnpool = nn.Identity()
    else:
        narrow = {"width_per_group": 16} if config.block == "bottleneck" else {}
        network = ResNet(dataclasses.replace(config, width=4, image_size=640, **narrow))
    assert_ends(nn.Sequential(network), side=640, across=32)


SEE_ALL = {  # as many channels as places, so that sizes tell nothing
    "a mean over places": Called(lambda x, a: a(x).mean((2, 3)), a=conv(3, 64, 8, stride=8)),
    "a mean over tokens": Called(lambda x, a: a(x).flatten(2).mT.mean(1), a=conv(3, 64, 8, stride=8)),
    "a mixing of tokens": Called(lambda x, a, b: b(a(x).flatten(2)), a=conv(3, 64, 8, stride=8), b=nn.Linear(64, 64)),
    "a pool of all": Called(lambda x, a, b: b(a(x)), a=conv(3, 64, 8, stride=8), b=nn.AdaptiveAvgPool2d(1)),
    "a flattened map": Called(lambda x, a, b: b(a(x).flatten(1)), a=conv(3, 4, 8, stride=8), b=nn.Linear(256, 8)),
    "attention": Called(
        lambda x, a: F.scaled_dot_product_attention(*[a(x).flatten(2).mT] * 3), a=conv(3, 64, 8, stride=8)
    ),
}


@pytest.mark.parametrize("name", SEE_ALL)
def test_what_sees_the_whole_image(name):
    root = inspect(SEE_ALL[name], image_size=64).towers[0].root
    assert (root.receptive_field, root.stride, root.centre) == (64, None, None)
    assert (root.find("a").receptive_field, root.find("a").stride, root.find("a").centre) == (8, 8, 3.5)


SEE_PATCHES = {
    "a mean over channels": Called(lambda x, a: a(x).mean(1), a=conv(3, 64, 8, stride=8)),
    "a norm of each place": Called(
        lambda x, a, norm: norm(a(x).permute(0, 2, 3, 1)), a=conv(3, 8, 8, stride=8), norm=nn.LayerNorm(8)
    ),
    "a map of the channels": Called(
        lambda x, a, b: b(a(x).flatten(2).mT), a=conv(3, 64, 8, stride=8), b=nn.Linear(64, 64)
    ),
    "heads put together again": Called(
        lambda x, a: a(x).flatten(2).mT.unflatten(2, (8, 8)).transpose(1, 2), a=conv(3, 64, 8, stride=8)
    ),
}


@pytest.mark.parametrize("name", SEE_PATCHES)
def test_what_sees_its_place_alone(name):
    root = inspect(SEE_PATCHES[name], image_size=64).towers[0].root
    assert (root.receptive_field, root.stride, root.centre) == (8, 8, 3.5)


def test_windows_that_are_no_squares():
    """The longer side, and what belongs to it. 7 wide with padding 3, then 5 high with stride 2."""
    network = nn.Sequential(conv(3, 2, (1, 7), padding=(0, 3)), conv(2, 2, (5, 1), stride=(2, 1)), conv(2, 2, (5, 1)))
    wide, both, high = inspect(network, image_size=64).towers[0].root.children
    assert (wide.receptive_field, wide.stride, wide.centre) == (7, 1, 0)
    assert (both.receptive_field, both.stride, both.centre) == (7, 1, 0)
    assert (high.receptive_field, high.stride, high.centre) == (13, 2, 6)


UNKNOWN = {  # where one number for all places would be none
    "an upsampled map": lambda x: F.interpolate(x, scale_factor=2.0),
    "a transposed convolution": lambda x: F.conv_transpose2d(x, x.new_zeros(3, 4, 2, 2), stride=2),
    "a rolled map": lambda x: x.roll(1, 2),
    "pools of different sizes": lambda x: F.adaptive_avg_pool2d(x, 5),
    "maps of different sizes": lambda x: F.avg_pool2d(x, 2)[:, :, :4, :4] + x[:, :, :4, :4],
    "attention within windows": lambda x: F.scaled_dot_product_attention(
        *[x.unflatten(3, (8, 8)).permute(0, 1, 3, 2, 4)] * 3
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_single_field_has_none(name):
    root = inspect(Called(UNKNOWN[name]), image_size=64).towers[0].root
    assert root.output_shape
    assert (root.receptive_field, root.stride, root.centre) == (None, None, None)
