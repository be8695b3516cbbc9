"""Vision Transformer: Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, section 3.1, equations 1 to 4.

The one idea: an image is a sequence of patches. Cut it, map each patch to a token, add positions, let a Transformer mix
the tokens, and read the class token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visavis.models.checks import check_counts, check_eps, check_transformer
from visavis.models.transformer import Activation, Transformer


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """One row of the paper's table 1, at one patch size and resolution.

    Attributes:
        image_size: Side of the square input in pixels; a multiple of `patch_size`.
        patch_size: Side of a patch in pixels.
        width: Length of a token.
        layers: Transformer blocks.
        heads: Attention heads of a block.
        num_classes: Outputs of the head; 0 for a network without one.
        activation: Inside the feed-forward networks.
        mlp_width: Channels inside the feed-forward networks; four times `width` when None.
        eps: Added to the variance in layer norm: 1e-6 in the paper's code, 1e-12 in Hugging Face's copies of it.
    """

    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    layers: int = 12
    heads: int = 12
    num_classes: int = 1000
    activation: Activation = "gelu"
    mlp_width: int | None = None
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_counts(self)
        check_eps(self.eps)
        check_patches(self.image_size, self.patch_size)
        check_transformer(self.width, self.heads, self.activation)

    @property
    def embed_dim(self) -> int:
        """Length of the features that the head reads."""
        return self.width


def check_patches(image_size: int, patch_size: int) -> None:
    """Raises ValueError where patches do not tile the image."""
    if image_size % patch_size:
        raise ValueError(f"image_size must be a multiple of patch_size, not {image_size} with patches of {patch_size}.")


class VisionTransformer(nn.Module):
    """Patch embedding, class token, position embedding, pre-norm blocks, norm, head."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        patches = (config.image_size // config.patch_size) ** 2
        # A convolution whose stride is its size is one linear map applied to each patch.
        self.conv1 = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(patches + 1, width))
        self.transformer = Transformer(
            width, config.layers, config.heads, config.activation, mlp_width=config.mlp_width, eps=config.eps
        )
        self.ln_post = nn.LayerNorm(width, eps=config.eps)
        self.head = nn.Linear(width, config.num_classes) if config.num_classes else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Class scores. images: [batch, 3, image_size, image_size], normalised; returns [batch, num_classes]."""
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """What the head reads, the class token after the last norm: [batch, width]."""
        x = embed_patches(images, self.conv1, self.class_embedding)  # [batch, 1 + patches, width]
        x = x + self.positional_embedding  # equation 1
        x = self.transformer(x)  # equations 2 and 3
        return self.ln_post(x[:, 0])  # equation 4: [batch, width]

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """LeCun normal for patches, Xavier uniform inside the blocks, positions of std 0.02, class token and head zero.

        Source: the paper's released code (google-research/vision_transformer).
        """
        self.transformer.init_weights(generator)  # norms and biases; the weights are drawn again below
        fan_in = 3 * self.config.patch_size**2
        nn.init.normal_(self.conv1.weight, std=fan_in**-0.5, generator=generator)
        nn.init.zeros_(_bias(self.conv1))
        nn.init.zeros_(self.class_embedding)
        nn.init.normal_(self.positional_embedding, std=0.02, generator=generator)
        for block in self.transformer.blocks():
            for third in block.attn.in_proj_weight.chunk(3):  # query, key and value are three square maps
                nn.init.xavier_uniform_(third, generator=generator)
            for linear in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
                nn.init.xavier_uniform_(linear.weight, generator=generator)
        self.ln_post.reset_parameters()
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)


def embed_patches(images: Tensor, conv: nn.Conv2d, class_embedding: Tensor) -> Tensor:
    """One token a patch, in reading order, with the class token before them: [batch, 1 + patches, width]."""
    x = conv(images)  # [batch, width, rows, columns]
    x = x.flatten(2).transpose(1, 2)  # [batch, patches, width]
    class_token = class_embedding.expand(x.shape[0], 1, -1)  # [batch, 1, width]
    return torch.cat([class_token, x], dim=1)


def _bias(module: nn.Conv2d) -> Tensor:
    assert module.bias is not None, "the supervised ViT's patch embedding has a bias"
    return module.bias
