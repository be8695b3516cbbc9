"""`map` on threads, in order and without end in sight: what keeps the processor busy while files are read.

The one idea: decoders release Python's lock, so threads suffice; and only so many results wait that memory stays the
same whatever the number of items.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from visavis.errors import UsageError

MAX_THREADS = 16  # each may hold one image of the pixel limit
AHEAD = 128  # images decoded and not yet encoded; WINDOW * ROWS of data/parquet_images.py must be more

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """Results in the order of the items, at most `ahead` of them under way or waiting."""
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


def in_batches(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    """Lists of so many items, the last one shorter. Raises UsageError at once for an impossible size."""
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, not {batch_size}.")
    remaining = iter(items)
    return iter(lambda: list(islice(remaining, batch_size)), [])
