"""Random changes to training images that keep their meaning, on whole batches, from an explicit generator."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

OUTLINE_SHARE = 0.15  # of images that become black lines on white
INKED_SHARE = 0.35  # of images that get black lines over their colours


def augment_icons(images: Tensor, generator: torch.Generator) -> Tensor:
    """Affine maps, colour changes and drawn outlines, for drawings on white.

    No mirror images: they would turn arrows and letters into others.

    Args:
        images: float32 [batch, 3, height, width], 0 to 1, white background.
        generator: Source of all randomness; the same state gives the same images.

    Returns:
        float32 of the same shape, 0 to 1.
    """
    images = random_affine(images, generator)
    lines = outlines(images)  # [batch, 1, height, width]
    images = random_colours(images, generator)
    draw = torch.rand(len(images), 1, 1, 1, generator=generator)
    inked = images * lines
    images = torch.where(draw < OUTLINE_SHARE + INKED_SHARE, inked, images)
    return torch.where(draw < OUTLINE_SHARE, lines.expand_as(images), images)


def random_affine(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotation by up to 15 degrees, sides scaled by 0.75 to 1.2, shifted by up to 10%; borders come in white."""
    batch = len(images)
    angle = _uniform(batch, -15, 15, generator) * math.pi / 180
    scale_x, scale_y = (1 / _uniform(batch, 0.75, 1.2, generator) for _ in range(2))
    shift_x, shift_y = (_uniform(batch, -0.2, 0.2, generator) for _ in range(2))  # a half-side is 1
    rows = [
        torch.stack([angle.cos() * scale_x, -angle.sin() * scale_y, shift_x], dim=1),
        torch.stack([angle.sin() * scale_x, angle.cos() * scale_y, shift_y], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return 1 - F.grid_sample(1 - images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def random_colours(images: Tensor, generator: torch.Generator) -> Tensor:
    """Saturation from 0 to 1.6, hue turned by up to 40 degrees, ink darkened or lightened; white stays white."""
    batch = len(images)
    ink = 1 - images  # so that the white background is zero and stays so
    grey = ink.mean(dim=1, keepdim=True)
    saturation = _uniform(batch, 0.0, 1.6, generator).view(-1, 1, 1, 1)
    ink = grey + saturation * (ink - grey)
    angle = _uniform(batch, -40, 40, generator) * math.pi / 180
    ink = torch.einsum("bij,bjhw->bihw", _hue_rotation(angle), ink)
    strength = _uniform(batch, 0.7, 1.3, generator).view(-1, 1, 1, 1)
    return 1 - (ink * strength).clamp(0, 1)


def outlines(images: Tensor) -> Tensor:
    """Black lines on white where a colour changes, the morphological gradient: [batch, 1, height, width]."""
    widest, narrowest = _largest_of_3x3(images), -_largest_of_3x3(-images)
    edges = (widest - narrowest).amax(dim=1, keepdim=True)
    return 1 - (edges * 2.5 - 0.25).clamp(0, 1)


def _largest_of_3x3(x: Tensor) -> Tensor:
    """Max pooling of stride 1, same size; pooling keeps indices that nobody asks for and takes ten times as long."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = torch.maximum(torch.maximum(x[..., :-2], x[..., 1:-1]), x[..., 2:])
    return torch.maximum(torch.maximum(x[..., :-2, :], x[..., 1:-1, :]), x[..., 2:, :])


def _hue_rotation(angle: Tensor) -> Tensor:
    """Rotations about the grey axis of RGB space: [batch, 3, 3]."""
    cos, sin = angle.cos(), angle.sin() / math.sqrt(3)
    share = (1 - cos) / 3
    rows = [
        cos + share,
        share - sin,
        share + sin,
        share + sin,
        cos + share,
        share - sin,
        share - sin,
        share + sin,
        cos + share,
    ]
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(count).uniform_(low, high, generator=generator)
