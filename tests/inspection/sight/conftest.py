"""Encoders of small networks, from weights that look trained or from any module."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from visavis.engine.encoder import Encoder
from visavis.engine.parts import Parts, parts_of
from visavis.zoo.preprocess import Preprocess


@pytest.fixture
def encoder_of(trained) -> Callable[..., Encoder]:
    """A small network of a kind: "resnet", "vit", "clip-resnet" or "clip-vit"."""

    def make(kind: str, **changes) -> Encoder:
        return Encoder(kind, parts_of(trained(kind, **changes)))

    return make


def wrapped(module: nn.Module, image_size: int = 16, encode: Callable[[Tensor], Tensor] | None = None) -> Encoder:
    """Any module as an encoder; its output is averaged over all but batch and channels where nothing else is said."""
    module.eval().requires_grad_(False)
    return Encoder(
        type(module).__name__,
        Parts(
            model=module,
            image_tower=module,
            encode_image=encode or Averaged(module),
            preprocess=Preprocess(image_size=image_size, resize=image_size, mean=(0.0,) * 3, std=(1.0,) * 3),
            family="other-other",
            settings="",
            embed_dim=1,
        ),
    )


class Averaged:
    """A module whose maps or sequences are averaged to vectors."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        made = self.module(images)
        return made.flatten(2).mean(dim=2) if made.ndim == 4 else made.mean(dim=1)


@pytest.fixture
def wrap() -> Callable[..., Encoder]:
    """Makes an encoder of any module."""
    return wrapped


def noise(count: int, side: int, seed: int = 0) -> Tensor:
    """Images of noise, [count, 3, side, side]."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pixels() -> Callable[..., Tensor]:
    """Makes preprocessed images of noise."""
    return noise


@pytest.fixture
def drawings() -> list[Image.Image]:
    """Twelve pictures of coarse noise, 40 x 40."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (12, 5, 5, 3), dtype=np.uint8)
    return [Image.fromarray(picture).resize((40, 40), Image.Resampling.BICUBIC) for picture in coarse]
