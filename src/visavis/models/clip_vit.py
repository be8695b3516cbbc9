"""CLIP's Vision Transformer: Radford et al. 2021, section 2.4.

Three changes to the plain ViT of `vit.py`:

1. one more layer norm, on patches and positions together, before the Transformer;
2. no bias in the patch embedding;
3. a linear projection into the space shared with texts, in place of the classes' head.

Submodules carry the names of OpenAI's checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visavis.models.checks import check_counts, check_transformer
from visavis.models.transformer import Activation, Transformer
from visavis.models.vit import check_patches, embed_patches


@dataclass(frozen=True, kw_only=True)
class CLIPViTConfig:
    """One of CLIP's ViTs (table 20 of the paper).

    Attributes:
        image_size: Side of the square input in pixels; a multiple of `patch_size`.
        patch_size: Side of a patch in pixels.
        width: Length of a token.
        layers: Transformer blocks.
        heads: Attention heads of a block.
        embed_dim: Length of the image embedding, shared with the text tower.
        activation: "quickgelu" in OpenAI's weights, "gelu" in most of open_clip's.
        mlp_width: Channels inside the feed-forward networks; four times `width` when None.
    """

    image_size: int = 224
    patch_size: int = 32
    width: int = 768
    layers: int = 12
    heads: int = 12
    embed_dim: int = 512
    activation: Activation = "gelu"
    mlp_width: int | None = None

    def __post_init__(self) -> None:
        check_counts(self)
        check_patches(self.image_size, self.patch_size)
        check_transformer(self.width, self.heads, self.activation)

    @property
    def feature_dim(self) -> int:
        """Length of what the projection reads, a token."""
        return self.width


class CLIPVisionTransformer(nn.Module):
    """Patch embedding, class token, positions, norm, pre-norm blocks, norm, projection."""

    def __init__(self, config: CLIPViTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        patches = (config.image_size // config.patch_size) ** 2
        self.conv1 = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(patches + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(
            width, config.layers, config.heads, config.activation, mlp_width=config.mlp_width
        )
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Image embeddings. images: [batch, 3, image_size, image_size], normalised; returns [batch, embed_dim]."""
        return self.project(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """What the projection reads, figure 3's I_f: the class token after the last norm, [batch, width]."""
        x = embed_patches(images, self.conv1, self.class_embedding)  # [batch, 1 + patches, width]
        x = self.ln_pre(x + self.positional_embedding)
        x = self.transformer(x)  # [batch, 1 + patches, width]
        return self.ln_post(x[:, 0])  # [batch, width]

    def project(self, features: Tensor) -> Tensor:
        """Into the space shared with texts: [batch, width] -> [batch, embed_dim]."""
        return features @ self.proj

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Normal with standard deviation width ** -0.5 outside the blocks; CLIP's per-layer ones inside."""
        std = self.config.width**-0.5
        fan_in = 3 * self.config.patch_size**2
        nn.init.normal_(self.conv1.weight, std=fan_in**-0.5, generator=generator)
        for parameter in (self.class_embedding, self.positional_embedding, self.proj):
            nn.init.normal_(parameter, std=std, generator=generator)
        self.transformer.init_weights(generator)
        self.ln_pre.reset_parameters()
        self.ln_post.reset_parameters()
