"""CLIP: Radford et al. 2021, figure 3. Two encoders, one shared space, one learned temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visavis.models.clip_resnet import CLIPResNet, CLIPResNetConfig
from visavis.models.clip_vit import CLIPVisionTransformer, CLIPViTConfig
from visavis.models.text import TextConfig, TextTransformer

INITIAL_LOGIT_SCALE = math.log(1 / 0.07)  # section 2.5; kept as a logarithm
MAX_LOGIT_SCALE = math.log(100)  # section 2.5: clipped, else training is unstable


@dataclass(frozen=True, kw_only=True)
class CLIPConfig:
    """An image tower and a text tower that end in one shared space."""

    visual: CLIPResNetConfig | CLIPViTConfig
    text: TextConfig

    def __post_init__(self) -> None:
        if self.visual.embed_dim != self.text.embed_dim:
            raise ValueError(
                "Both towers must end in one shared space, but embed_dim is "
                f"{self.visual.embed_dim} for images and {self.text.embed_dim} for texts."
            )

    @property
    def image_size(self) -> int:
        """Side of the square input in pixels."""
        return self.visual.image_size

    @property
    def embed_dim(self) -> int:
        """Length of both towers' embeddings."""
        return self.visual.embed_dim


class CLIP(nn.Module):
    """The dual encoder."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.visual: CLIPResNet | CLIPVisionTransformer
        if isinstance(config.visual, CLIPResNetConfig):
            self.visual = CLIPResNet(config.visual)
        else:
            self.visual = CLIPVisionTransformer(config.visual)
        self.text = TextTransformer(config.text)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))

    def encode_image(self, images: Tensor) -> Tensor:
        """[batch, 3, image_size, image_size], normalised -> [batch, embed_dim]."""
        return self.visual(images)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """int64 [batch, length] -> [batch, embed_dim]."""
        return self.text(tokens)

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Similarity of each image with each text, divided by the temperature: [images, texts]."""
        image_embeddings = F.normalize(self.encode_image(images), dim=-1)  # [images, embed_dim]
        text_embeddings = F.normalize(self.encode_text(tokens), dim=-1)  # [texts, embed_dim]
        return self.logit_scale.exp() * image_embeddings @ text_embeddings.T

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keeps the scale at 100 or below; called after each optimizer step."""
        self.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Both towers as their papers say; the logit scale at 1 / 0.07."""
        self.visual.init_weights(generator)
        self.text.init_weights(generator)
        self.logit_scale.fill_(INITIAL_LOGIT_SCALE)
