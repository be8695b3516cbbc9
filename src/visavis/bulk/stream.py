"""Images decoded on threads while the network computes, in order, with no more of them held than are under way.

Each image is read and decoded once: its bytes give its identity, its pixels go to the network, and what cannot be read
comes out at its place with the reason.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from visavis.data.checking import UNUSABLE, printable, reason_of
from visavis.data.dataset import Skipped, sample_id
from visavis.data.decoding import decode_image
from visavis.data.listing import Entry, Found

MAX_THREADS = 16  # each may hold one image of the pixel limit
AHEAD = 128  # images decoded and not yet encoded; WINDOW * ROWS of data/parquet_images.py must be more

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    entries: Iterable[Found], pixels: Callable[[Image.Image], np.ndarray]
) -> Generator[Decoded, None, None]:
    """Every entry decoded, in order.

    Args:
        entries: What was listed.
        pixels: From an RGB picture to uint8 [image_size, image_size, 3].
    """
    return in_order(lambda found: _decode(found, pixels), entries)


def _decode(found: Found, pixels: Callable[[Image.Image], np.ndarray]) -> Decoded:
    if isinstance(found, Skipped):
        return Decoded(found=found, reason=found.reason)
    try:
        data = found.read()
        return Decoded(found=found, id=sample_id(data, found.place), pixels=pixels(decode_image(data)))
    except UNUSABLE as error:
        return Decoded(found=found, reason=reason_of(error))


def name_of(found: Found) -> str:
    """What a person calls it."""
    return printable(found.place) if isinstance(found, Entry) else found.name


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """`map` on threads: results in the order of the items, at most `ahead` of them under way or waiting."""
    pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1), thread_name_prefix="visavis-decode")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for the images still queued
