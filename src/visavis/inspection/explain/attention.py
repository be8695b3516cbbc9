"""Attention weights of any network that calls PyTorch's fused attention, without a change to the network.

The one idea: the fused operation never forms its weights, so while a recording lasts each call of it is answered in the
plain form, softmax(q k^T / sqrt(d)) v, whose weights can be kept, and differentiated with respect to.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class RecordedAttention:
    """A context in which calls of scaled_dot_product_attention leave their weights in `weights`, in order.

    Each is [batch, heads, queries, keys], part of autograd's graph also where nothing before it asks for gradients.
    PyTorch's own MultiheadAttention is heard too: its shortcut for inference, which calls no such function, rests.
    """

    def __init__(self) -> None:
        self.weights: list[Tensor] = []

    def __enter__(self) -> RecordedAttention:
        self._shortcut, self._fused = torch.backends.mha.get_fastpath_enabled(), F.scaled_dot_product_attention
        torch.backends.mha.set_fastpath_enabled(False)
        # A TorchFunctionMode would not do: it is off inside functions that it has been shown, and
        # multi_head_attention_forward is one, so the call within would pass unheard.
        F.scaled_dot_product_attention = self._attend
        return self

    def __exit__(self, *raised: object) -> None:
        F.scaled_dot_product_attention = self._fused
        torch.backends.mha.set_fastpath_enabled(self._shortcut)

    def keep(self, weights: Tensor) -> None:
        """What is done with the weights of a call, [batch, heads, queries, keys]."""
        self.weights.append(weights)

    def _attend(self, *args: Any, **kwargs: Any) -> Tensor:
        weights, value = attention_weights(*args, **kwargs)
        if torch.is_grad_enabled() and not weights.requires_grad:
            weights.requires_grad_()
        self.keep(weights)
        return weights @ value


def attention_weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor]:
    """Weights [batch, heads, queries, keys], and the values that they mix: Vaswani et al. 2017, equation 1.

    The arguments are those of torch.nn.functional.scaled_dot_product_attention; nothing is dropped, as in evaluation.
    """
    if enable_gqa:  # several query heads share one key and value
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1), value
