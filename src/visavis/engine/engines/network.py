"""What an engine needs to know of an encoder, and of the pixels that it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import Tensor, nn

from visavis.errors import UsageError
from visavis.zoo.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class Network:
    """An encoder's image tower and what belongs to it.

    Attributes:
        name: For messages.
        model: Holds the weights.
        encode: In PyTorch, images float32 [batch, 3, side, side] to vectors [batch, embed_dim].
        ends_before_projection: Whether these are what a CLIP's projection reads.
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
    ends_before_projection: bool = False


class ImageTower(nn.Module):
    """A module whose forward is an encoder's, as compilers and exporters want it."""

    def __init__(self, model: nn.Module, encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model = model  # holds the weights that `encode` uses
        self._encode = encode

    def forward(self, images: Tensor) -> Tensor:
        return self._encode(images)


def weight_versions(model: nn.Module) -> tuple[tuple[int, int], ...]:
    """Where each weight lies, and PyTorch's count of its changes: equal as long as nobody changes or replaces one."""
    return tuple(
        (tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)  # inference tensors have no count
        for tensor in chain(model.parameters(), model.buffers())
    )


def check_pixels(images: Tensor) -> None:
    """Raises UsageError that names the first of the images [batch, 3, side, side] with a pixel that is no number."""
    finite = images.isfinite().flatten(1).all(dim=1)  # [batch]
    if bool(finite.all()):
        return
    spoilt = (~finite).nonzero().flatten().tolist()
    raise UsageError(
        f"Image {spoilt[0]}, counted from 0, has pixels that are NaN or infinite, as have {len(spoilt)} of the "
        f"{len(images)} images in all. Mend what they were made by, or leave them out."
    )
