"""The pre-norm Transformer that image and text towers share: Vaswani et al. 2017; Xiong et al. 2020 for the pre-norm.

The one idea: each block reads the residual stream twice, x = x + MSA(LN(x)) and x = x + FFN(LN(x)), and only ever adds.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["gelu", "quickgelu"]


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), the approximation of GELU in OpenAI's weights (Hendrycks and Gimpel 2016, section 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def activation_module(name: Activation) -> nn.Module:
    """The nonlinearity by its name; it belongs to the weights."""
    return nn.GELU() if name == "gelu" else QuickGELU()


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2.2) with one fused query-key-value weight."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        batch, tokens, width = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # [batch, tokens, 3 * width]
        qkv = qkv.view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each [batch, heads, tokens, head_width]
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class MLP(nn.Module):
    """The feed-forward network: wider inside, applied to each token alone."""

    def __init__(self, width: int, mlp_width: int, activation: Activation) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, mlp_width)
        self.activation = activation_module(activation)
        self.c_proj = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.activation(self.c_fc(x)))


class Block(nn.Module):
    """A pre-norm block: attention between tokens, then the feed-forward network, each with its skip connection."""

    def __init__(self, width: int, heads: int, mlp_width: int, activation: Activation, eps: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, mlp_width, activation)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        x = x + self.attn(self.ln_1(x), causal)  # [batch, tokens, width]
        return x + self.mlp(self.ln_2(x))  # [batch, tokens, width]


class Transformer(nn.Module):
    """A stack of pre-norm blocks.

    Args:
        width: Length of each token's vector, the residual stream.
        layers: Number of blocks.
        heads: Attention heads of each block; they share `width` between them.
        activation: "gelu" or "quickgelu", inside the feed-forward network.
        mlp_width: Channels inside the feed-forward network; four times `width` when None.
        causal: Whether a token sees only itself and those before it.
        eps: Added to the variance in layer norm: 1e-5 in CLIP, 1e-6 in supervised ViTs.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        activation: Activation = "gelu",
        *,
        mlp_width: int | None = None,
        causal: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.width = width
        self.causal = causal
        self.resblocks = nn.ModuleList(
            Block(width, heads, mlp_width or 4 * width, activation, eps) for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x, self.causal)  # [batch, tokens, width]
        return x

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """CLIP's standard deviations: those that write to the residual stream shrink with depth.

        Source: Radford et al. 2021, section 2.5 and its released code, after Radford et al. 2019 (GPT-2).
        """
        write_std = self.width**-0.5 * (2 * len(self.resblocks)) ** -0.5
        for block in self.blocks():
            nn.init.normal_(block.attn.in_proj_weight, std=self.width**-0.5, generator=generator)
            nn.init.normal_(block.attn.out_proj.weight, std=write_std, generator=generator)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * self.width) ** -0.5, generator=generator)
            nn.init.normal_(block.mlp.c_proj.weight, std=write_std, generator=generator)
            for bias in (block.attn.in_proj_bias, block.attn.out_proj.bias, block.mlp.c_fc.bias, block.mlp.c_proj.bias):
                nn.init.zeros_(bias)
            block.ln_1.reset_parameters()
            block.ln_2.reset_parameters()

    def blocks(self) -> list[Block]:
        """The blocks, in order."""
        return [block for block in self.resblocks if isinstance(block, Block)]
