"""A checkpoint for another image size: position embeddings resampled, preprocessing scaled.

Bicubic and antialiased with the class token kept, as open_clip and timm do it; exact where the grid stays the same.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.errors import UsageError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config
from visavis.zoo.checkpoint import Checkpoint


def resize_checkpoint(checkpoint: Checkpoint, image_size: int) -> Checkpoint:
    """The same weights for square images of `image_size` pixels.

    `about["positions_resized"]` says from which grid to which, where that was done; a plain ResNet has no positions.

    Raises:
        UsageError: The network's patches or strides do not tile the size.
    """
    old = checkpoint.config.image_size
    if image_size == old:
        return checkpoint
    try:
        config = with_image_size(checkpoint.config, image_size)
        preprocess = dataclasses.replace(
            checkpoint.preprocess,
            image_size=image_size,
            resize=round(checkpoint.preprocess.resize * image_size / checkpoint.preprocess.image_size),
        )
    except ValueError as error:
        raise UsageError(f"These weights cannot be used at {image_size} pixels: {error}") from error
    state, about = dict(checkpoint.state), dict(checkpoint.about)
    name = _position_name(config)
    if name is not None:
        state[name] = resize_positions(state[name], _grid(config))
        about["positions_resized"] = (
            f"{_grid(checkpoint.config)} x {_grid(checkpoint.config)} to {_grid(config)} x {_grid(config)}"
        )
    return dataclasses.replace(checkpoint, config=config, preprocess=preprocess, state=state, about=about)


def resize_positions(positions: Tensor, side: int) -> Tensor:
    """Position embeddings on another square grid.

    Args:
        positions: [1 + places, width], the class token's (or the mean's) first.
        side: Of the new grid.

    Returns:
        [1 + side * side, width] of the same dtype; the same values where the side is the same.
    """
    first, places = positions[:1], positions[1:]
    old = round(len(places) ** 0.5)
    if old == side:
        return positions
    image = places.float().reshape(1, old, old, -1).permute(0, 3, 1, 2)  # [1, width, old, old]
    resized = F.interpolate(image, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([first, resized[0].flatten(1).T.to(positions.dtype)])


def with_image_size(config: Config, image_size: int) -> Config:
    """The same architecture for other images. Raises ValueError where it cannot be."""
    if isinstance(config, CLIPConfig):
        return dataclasses.replace(config, visual=dataclasses.replace(config.visual, image_size=image_size))
    return dataclasses.replace(config, image_size=image_size)


def _position_name(config: Config) -> str | None:
    if isinstance(config, ViTConfig):
        return "positional_embedding"
    if not isinstance(config, CLIPConfig):
        return None
    pooled = isinstance(config.visual, CLIPResNetConfig)
    return "visual.attnpool.positional_embedding" if pooled else "visual.positional_embedding"


def _grid(config: Config) -> int:
    """Places on one side of the grid that has positions."""
    tower = config.visual if isinstance(config, CLIPConfig) else config
    stride = tower.patch_size if isinstance(tower, ViTConfig | CLIPViTConfig) else 32
    return tower.image_size // stride
