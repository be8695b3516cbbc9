"""Gradient-weighted attention relevance: Chefer et al. 2021, Generic Attention-model Explainability, section 3.1.

The one idea: an attention weight matters as far as the score would rise with it. Each layer adds what its weights that
speak for the target, averaged over heads, carry over of the relevance gathered before it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from visavis.inspection.explain.attention import RecordedAttention


def relevance(run: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Relevance of each input token for each output token, [batch, tokens, tokens].

    Args:
        run: Inputs to scores [batch], within autograd's graph, through layers of self-attention.
        inputs: Preprocessed images [batch, 3, side, side], or tokens int64 [batch, tokens].
    """
    with torch.enable_grad(), RecordedAttention() as recorded:
        scores = run(inputs)
    gradients = torch.autograd.grad(scores.sum(), recorded.weights)
    return gather([weights.detach() for weights in recorded.weights], list(gradients))


def gather(weights: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """The recurrence over layers, from weights and gradients [batch, heads, tokens, tokens] each.

    R = 1 at first (equation 1); then R = R + E_heads[(gradient * weights)+] R (equations 5 and 6).
    """
    tokens = weights[0].shape[-1]
    gathered = torch.eye(tokens, device=weights[0].device).expand(len(weights[0]), tokens, tokens)
    for weight, gradient in zip(weights, gradients, strict=True):
        gathered = gathered + (gradient * weight).clamp(min=0).mean(dim=1) @ gathered
    return gathered
