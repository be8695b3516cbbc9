"""The learning rate over a run, and which weights decay."""

from __future__ import annotations

import math

import torch
from torch import nn

from visavis.train.recipe import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to zero (Loshchilov and Hutter 2017, SGDR, equation 5, one cycle).

    Args:
        config: The run.
        step: Counted from 0.
    """
    seen = (step + 1) * config.batch_size
    if seen < config.warmup_samples:
        return config.learning_rate * seen / config.warmup_samples
    warmup_steps = config.warmup_samples // config.batch_size
    done = (step - warmup_steps) / max(1, config.steps - warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases, norms and the logit scale, all below two axes, do not decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (0.9, 0.98) if config.objective == "contrastive" else (0.9, 0.999)  # CLIP's for pairs, AdamW's for labels
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, eps=1e-8)
