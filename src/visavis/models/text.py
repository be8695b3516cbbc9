"""CLIP's text Transformer: Radford et al. 2021, section 2.4.

A causal Transformer over byte-pair tokens; the text's feature is read at its end token, then projected.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visavis.models.checks import check_counts, check_transformer
from visavis.models.transformer import Activation, Transformer


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """A text tower.

    Attributes:
        context_length: Most tokens of a text, start and end token included.
        vocab_size: Number of tokens; the last is the end token.
        width: Length of a token's vector.
        layers: Transformer blocks.
        heads: Attention heads of a block.
        embed_dim: Length of the text embedding, shared with the image tower.
        activation: "quickgelu" in OpenAI's weights, "gelu" in most of open_clip's.
    """

    context_length: int = 77
    vocab_size: int = 49408
    width: int = 512
    layers: int = 12
    heads: int = 8
    embed_dim: int = 512
    activation: Activation = "gelu"

    def __post_init__(self) -> None:
        check_counts(self)
        check_transformer(self.width, self.heads, self.activation)


class TextTransformer(nn.Module):
    """Token and position embeddings, causal pre-norm blocks, norm, projection of the end token."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        table = torch.empty(config.vocab_size, config.width)  # given, or it would be drawn twice
        self.token_embedding = nn.Embedding.from_pretrained(table, freeze=False)
        self.positional_embedding = nn.Parameter(torch.empty(config.context_length, config.width))
        self.transformer = Transformer(config.width, config.layers, config.heads, config.activation, causal=True)
        self.ln_final = nn.LayerNorm(config.width)
        self.text_projection = nn.Parameter(torch.empty(config.width, config.embed_dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Text embeddings. tokens: int64 [batch, length], length at most context_length; returns [batch, embed_dim].

        No token sees a later one, so columns after the last end token may be left out without changing the result.
        """
        x = self.token_embedding(tokens)  # [batch, length, width]
        x = x + self.positional_embedding[: tokens.shape[1]]
        x = self.transformer(x)
        end = tokens.argmax(dim=-1)  # the end token has the highest number, and the first of several counts
        x = self.ln_final(x[torch.arange(len(x), device=x.device), end])  # [batch, width]
        return x @ self.text_projection  # [batch, embed_dim]

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Tokens of std 0.02, positions of std 0.01, CLIP's per-layer standard deviations inside the blocks."""
        nn.init.normal_(self.token_embedding.weight, std=0.02, generator=generator)
        nn.init.normal_(self.positional_embedding, std=0.01, generator=generator)
        self.transformer.init_weights(generator)
        self.ln_final.reset_parameters()
        nn.init.normal_(self.text_projection, std=self.config.width**-0.5, generator=generator)
