"""What an engine needs to know of an encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from visavis.zoo.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class Network:
    """An encoder's image tower and what belongs to it.

    Attributes:
        name: For messages.
        model: Holds the weights.
        encode: In PyTorch, images float32 [batch, 3, side, side] to vectors [batch, embed_dim].
        preprocess: What it demands of images.
        settings: All that shapes its arithmetic, in words.
        fingerprint: A function, as it reads all weights, to a hash of weights, settings and preprocessing.
        about: Origin, data, licence.
    """

    name: str
    model: nn.Module
    encode: Callable[[Tensor], Tensor]
    preprocess: Preprocess
    settings: str
    fingerprint: Callable[[], str]
    about: dict[str, Any]


class ImageTower(nn.Module):
    """A module whose forward is an encoder's, as compilers and exporters want it."""

    def __init__(self, model: nn.Module, encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model = model  # holds the weights that `encode` uses
        self._encode = encode

    def forward(self, images: Tensor) -> Tensor:
        return self._encode(images)
