"""Attention rollout: Abnar and Zuidema 2020, section 3.

The one idea: information flows along attention and along skip connections; if both carry half, the share of each
input token in each output token is the product of the layers' matrices. No target enters: all have the same map.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from visavis.inspection.explain.attention import RecordedAttention


def rollout(run: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """How much of each token the class token holds in the end: [batch, tokens], each row with the sum 1."""
    with torch.no_grad(), RecordedAttention() as recorded:
        run(pixels)
    return roll_out(recorded.weights)[:, 0]


def roll_out(weights: list[Tensor]) -> Tensor:
    """Shares of input tokens in output tokens, [batch, tokens, tokens], from layers' [batch, heads, tokens, tokens].

    A_layer = (mean over heads + identity) / 2, whose rows have the sum 1; rollout = A_last ... A_2 A_1 (equation 1).
    """
    tokens = weights[0].shape[-1]
    identity = torch.eye(tokens, device=weights[0].device)
    rolled = identity.expand(len(weights[0]), tokens, tokens)
    for layer in weights:
        rolled = (layer.mean(dim=1) + identity) / 2 @ rolled
    return rolled
