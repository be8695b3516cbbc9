"""CLIP's modified ResNet: Radford et al. 2021, Learning Transferable Visual Models, section 2.4.

Three changes to the plain ResNet of `resnet.py`:

1. a stem of three 3x3 convolutions and average pooling, in place of one 7x7 and max pooling (He et al. 2019, ResNet-D);
2. anti-aliased strides: average pooling before a convolution of stride 1, in blocks and shortcuts (Zhang 2019);
3. attention pooling in place of global average pooling: the mean of the last map asks all its places.

Submodules carry the names of OpenAI's checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visavis.models.checks import check_counts, check_stages

HEAD_WIDTH = 64  # channels of one attention head, in every published CLIP ResNet


@dataclass(frozen=True, kw_only=True)
class CLIPResNetConfig:
    """One of CLIP's ResNets (table 20 of the paper).

    Attributes:
        layers: Blocks in each of the four stages.
        width: Channels of the stem's end and of the first stage's 3x3 convolutions.
        image_size: Side of the square input in pixels; a multiple of 32.
        embed_dim: Length of the image embedding, shared with the text tower.
    """

    layers: tuple[int, int, int, int]
    width: int = 64
    image_size: int = 224
    embed_dim: int = 1024

    def __post_init__(self) -> None:
        check_counts(self)
        check_stages(self.layers)
        if self.image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32, not {self.image_size}.")
        if self.width % 2:  # half of it in the stem; heads of 64 channels in the pooling
            raise ValueError(f"width must be even, not {self.width}.")

    @property
    def feature_dim(self) -> int:
        """Channels of the last stage, which the projection reads."""
        return self.width * 32

    @property
    def heads(self) -> int:
        """Heads of the attention pooling."""
        return self.width * 32 // HEAD_WIDTH


class Bottleneck(nn.Module):
    """1x1, 3x3, average pooling in place of a stride, 1x1, and a shortcut that is pooled alike."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                OrderedDict(  # OpenAI's checkpoints number the pooling "-1", which has no weights, then 0 and 1
                    [
                        ("-1", nn.AvgPool2d(stride)),
                        ("0", nn.Conv2d(in_channels, out_channels, 1, bias=False)),
                        ("1", nn.BatchNorm2d(out_channels)),
                    ]
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))  # [batch, width, height, width]
        out = self.relu(self.bn2(self.conv2(out)))  # [batch, width, height, width]
        out = self.avgpool(out)  # [batch, width, height / stride, width / stride]
        out = self.bn3(self.conv3(out))  # [batch, 4 * width, height / stride, width / stride]
        return self.relu(out + self.downsample(x))


class AttentionPool(nn.Module):
    """One layer of multi-head attention whose query is the mean over all places of the map."""

    def __init__(self, side: int, channels: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(side * side + 1, channels))
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.attend(x))  # [batch, embed_dim]

    def attend(self, x: Tensor) -> Tensor:
        """What the mean's query takes from a map [batch, channels, side, side], before the projection."""
        x = x.flatten(2).transpose(1, 2)  # [batch, places, channels]
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)  # [batch, 1 + places, channels]
        x = x + self.positional_embedding
        # Only the mean's answer is used, so only its query is computed: the same output for fewer MACs.
        query = self._split_heads(self.q_proj(x[:, :1]))  # [batch, heads, 1, head_width]
        key = self._split_heads(self.k_proj(x))  # [batch, heads, 1 + places, head_width]
        value = self._split_heads(self.v_proj(x))
        pooled = F.scaled_dot_product_attention(query, key, value)  # [batch, heads, 1, head_width]
        return pooled.flatten(1)  # [batch, channels]

    def _split_heads(self, x: Tensor) -> Tensor:
        batch, tokens, channels = x.shape
        return x.view(batch, tokens, self.heads, channels // self.heads).transpose(1, 2)


class CLIPResNet(nn.Module):
    """Stem of three convolutions, four stages of bottlenecks, attention pooling."""

    def __init__(self, config: CLIPResNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AvgPool2d(2)
        self.layer1 = stage(width, width, config.layers[0], stride=1)
        self.layer2 = stage(width * 4, width * 2, config.layers[1], stride=2)
        self.layer3 = stage(width * 8, width * 4, config.layers[2], stride=2)
        self.layer4 = stage(width * 16, width * 8, config.layers[3], stride=2)
        self.attnpool = AttentionPool(config.image_size // 32, width * 32, config.heads, config.embed_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Image embeddings. images: [batch, 3, image_size, image_size], normalised; returns [batch, embed_dim]."""
        return self.attnpool(self.maps(images))

    def features(self, images: Tensor) -> Tensor:
        """What `project` reads, figure 3's I_f: [batch, 32 * width]."""
        return self.attnpool.attend(self.maps(images))

    def project(self, features: Tensor) -> Tensor:
        """Into the space shared with texts: [batch, 32 * width] -> [batch, embed_dim]."""
        return self.attnpool.c_proj(features)

    def maps(self, images: Tensor) -> Tensor:
        """What the last stage puts out: [batch, 32 * width, height / 32, width / 32]."""
        x = self.relu(self.bn1(self.conv1(images)))  # [batch, width / 2, height / 2, width / 2]
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.relu(self.bn3(self.conv3(x)))  # [batch, width, height / 2, width / 2]
        x = self.avgpool(x)  # [batch, width, height / 4, width / 4]
        x = self.layer1(x)  # [batch, 4 * width, height / 4, width / 4]
        x = self.layer2(x)  # [batch, 8 * width, height / 8, width / 8]
        x = self.layer3(x)  # [batch, 16 * width, height / 16, width / 16]
        return self.layer4(x)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """He initialisation; a zero scale in each block's last norm, so that blocks start as their shortcuts.

        Attention pooling has the standard deviation channels ** -0.5, as in CLIP's released code.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
        for module in self.modules():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)
        std = (self.config.width * 32) ** -0.5
        pool = self.attnpool
        nn.init.normal_(pool.positional_embedding, std=std, generator=generator)
        for projection in (pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj):
            nn.init.normal_(projection.weight, std=std, generator=generator)
            nn.init.zeros_(projection.bias)


def stage(in_channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Blocks of one resolution; the first one changes stride and channels."""
    first = Bottleneck(in_channels, width, stride)
    rest = [Bottleneck(width * Bottleneck.expansion, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)
