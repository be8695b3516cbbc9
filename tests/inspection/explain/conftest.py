"""Small networks of the four corners as encoders, and pictures with something to find."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.engine.parts import parts_of

CLASSES = ("plain", "two  words", "<script>alert(1)</script>", "7", "cat")


@pytest.fixture
def encoder_of(trained: Callable[..., Any]) -> Callable[..., Encoder]:
    """A small network of a kind, whose weights look trained."""

    def make(kind: str, **changes: Any) -> Encoder:
        checkpoint = trained(kind, **changes)
        if not kind.startswith("clip") and "class_names" not in changes:
            checkpoint = dataclasses.replace(checkpoint, class_names=CLASSES)
        return Encoder(f"small {kind}", parts_of(checkpoint))

    return make


@pytest.fixture(scope="session")
def embedded() -> Callable[[str], Encoder]:
    """An embedded model, opened once."""
    opened: dict[str, Encoder] = {}

    def open_once(name: str) -> Encoder:
        if name not in opened:
            opened[name] = load(name)
        return opened[name]

    return open_once


@pytest.fixture
def pixels_for() -> Callable[..., Tensor]:
    """Preprocessed images of blots, [batch, 3, side, side]."""

    def make(encoder: Encoder, batch: int = 2, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        blots = torch.rand(batch, 3, 4, 4, generator=generator)
        return 4 * torch.nn.functional.interpolate(blots, size=encoder.image_size, mode="bilinear") - 2

    return make


@pytest.fixture
def photo() -> np.ndarray:
    """A landscape picture of noise and a blot, uint8 [60, 90, 3]."""
    random = np.random.default_rng(5)
    picture = random.integers(90, 160, (60, 90, 3), dtype=np.uint8)
    picture[10:30, 20:45] = (220, 40, 30)
    return picture
