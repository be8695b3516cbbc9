"""Residual networks: He et al. 2016, Deep Residual Learning for Image Recognition, section 3 and table 1.

The one idea: each block learns a residual F(x) and adds its input back, y = F(x) + x, through an identity shortcut, or
through a 1x1 projection where the shape changes. Submodules carry torchvision's names, as published checkpoints do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from visavis.models.checks import check_counts, check_stages


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """One column of table 1.

    Attributes:
        block: "basic" (two 3x3 convolutions; ResNet-18, -34) or "bottleneck" (1x1, 3x3, 1x1; ResNet-50 and deeper).
        layers: Blocks in each of the four stages.
        width: Channels of the stem and of the first stage's 3x3 convolutions; each stage doubles it.
        groups: Of each bottleneck's 3x3 convolution: 1, or the cardinality of a ResNeXt (Xie et al. 2017).
        width_per_group: Channels of one group in a first stage of 64; 128 in a wide ResNet (Zagoruyko and Komodakis
            2016), 4, 8 and more in a ResNeXt.
        image_size: Side of the square input in pixels. The network itself accepts any size.
        num_classes: Outputs of the fully connected head; 0 for a network without one.
    """

    block: Literal["basic", "bottleneck"]
    layers: tuple[int, int, int, int]
    width: int = 64
    groups: int = 1
    width_per_group: int = 64
    image_size: int = 224
    num_classes: int = 1000

    def __post_init__(self) -> None:
        if self.block not in ("basic", "bottleneck"):
            raise ValueError(f"block must be 'basic' or 'bottleneck', not {self.block!r}.")
        check_counts(self)
        check_stages(self.layers)
        if self.block == "basic" and (self.groups, self.width_per_group) != (1, 64):
            raise ValueError("groups and width_per_group belong to bottlenecks; basic blocks have 1 and 64.")
        if self.width * self.width_per_group % 64:
            raise ValueError(
                f"width times width_per_group must be a multiple of 64, not {self.width * self.width_per_group}."
            )

    @property
    def expansion(self) -> int:
        """Channels that a block ends with, for one of its `width`."""
        return 4 if self.block == "bottleneck" else 1

    @property
    def embed_dim(self) -> int:
        """Length of the pooled features that the head reads."""
        return self.width * 8 * self.expansion

    @property
    def inner_width(self) -> int:
        """Channels of the first stage's 3x3 convolutions; each stage doubles it."""
        return self.width * self.width_per_group // 64 * self.groups


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around one shortcut (figure 5, left)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # [batch, width, height / stride, width / stride]
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1 reduces, 3x3 works on the narrow map, 1x1 restores (figure 5, right).

    The stride sits on the 3x3, as in torchvision's and timm's weights; in the paper it sits on the first 1x1.
    """

    def __init__(self, in_channels: int, width: int, out_channels: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # [batch, width, height, width]
        out = self.relu(self.bn2(self.conv2(out)))  # [batch, width, height / stride, width / stride]
        out = self.bn3(self.conv3(out))  # [batch, 4 * width, height / stride, width / stride]
        return self.relu(out + self.downsample(x))


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The identity where the shape is kept, else a 1x1 projection (section 3.3, option B)."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, global average pooling, one fully connected layer."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(config, 1)
        self.layer2 = stage(config, 2)
        self.layer3 = stage(config, 3)
        self.layer4 = stage(config, 4)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(config.embed_dim, config.num_classes) if config.num_classes else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Class scores. images: [batch, 3, height, width], normalised; returns [batch, num_classes]."""
        return self.fc(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """What the head reads: [batch, embed_dim]."""
        x = self.relu(self.bn1(self.conv1(images)))  # [batch, width, height / 2, width / 2]
        x = self.maxpool(x)  # [batch, width, height / 4, width / 4]
        x = self.layer1(x)  # [batch, expansion * width, height / 4, width / 4]
        x = self.layer2(x)  # [batch, expansion * 2 * width, height / 8, width / 8]
        x = self.layer3(x)  # [batch, expansion * 4 * width, height / 16, width / 16]
        x = self.layer4(x)  # [batch, expansion * 8 * width, height / 32, width / 32]
        return self.avgpool(x).flatten(1)  # [batch, embed_dim]

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """He initialisation for convolutions (He et al. 2015, Delving Deep into Rectifiers, equation 14)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
        if isinstance(self.fc, nn.Linear):
            bound = 1 / math.sqrt(self.fc.in_features)
            nn.init.uniform_(self.fc.weight, -bound, bound, generator=generator)
            nn.init.zeros_(self.fc.bias)


def stage(config: ResNetConfig, number: int) -> nn.Sequential:
    """The blocks of stage 1, 2, 3 or 4, conv2_x to conv5_x of table 1; the first one changes stride and channels."""
    scale = 2 ** (number - 1)
    out_channels = config.width * scale * config.expansion
    first_in, first_stride = (config.width, 1) if number == 1 else (out_channels // 2, 2)
    blocks = [_block(config, first_in, scale, first_stride)]
    blocks += [_block(config, out_channels, scale, 1) for _ in range(config.layers[number - 1] - 1)]
    return nn.Sequential(*blocks)


def _block(config: ResNetConfig, in_channels: int, scale: int, stride: int) -> BasicBlock | Bottleneck:
    out_channels = config.width * scale * config.expansion
    if config.block == "basic":
        return BasicBlock(in_channels, out_channels, stride)
    return Bottleneck(in_channels, config.inner_width * scale, out_channels, stride, config.groups)
