"""Images decoded on threads while the network computes, in order, with no more of them held than are under way.

Each image is read and decoded once: its bytes give its identity, its pixels go to the network, and what cannot be read
comes out at its place with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from visavis.data.checking import UNUSABLE, printable, reason_of
from visavis.data.dataset import Skipped, sample_id
from visavis.data.decoding import decode_image
from visavis.data.in_order import in_order
from visavis.data.listing import Entry, Found


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image ready for the network.

    Attributes:
        found: What was listed.
        id: Of its bytes and its place.
        pixels: uint8 [image_size, image_size, 3]; None where it cannot be used.
        reason: Why it cannot.
    """

    found: Found
    id: str = ""
    pixels: np.ndarray | None = None
    reason: str = ""


def decode_entries(
    entries: Iterable[Found], pixels: Callable[[Image.Image], np.ndarray], at_least: int | None = None
) -> Generator[Decoded, None, None]:
    """Every entry decoded, in order.

    Args:
        entries: What was listed.
        pixels: From an RGB picture to uint8 [image_size, image_size, 3].
        at_least: As in `decode_image`.
    """
    return in_order(lambda found: _decode(found, pixels, at_least), entries)


def _decode(found: Found, pixels: Callable[[Image.Image], np.ndarray], at_least: int | None) -> Decoded:
    if isinstance(found, Skipped):
        return Decoded(found=found, reason=found.reason)
    try:
        data = found.read()
        return Decoded(found=found, id=sample_id(data, found.place), pixels=pixels(decode_image(data, at_least)))
    except UNUSABLE as error:
        return Decoded(found=found, reason=reason_of(error))


def name_of(found: Found) -> str:
    """What a person calls it."""
    return printable(found.place) if isinstance(found, Entry) else found.name
