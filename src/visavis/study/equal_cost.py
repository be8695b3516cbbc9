"""The same budget for all: each model at the largest image size at which it costs no more than the cheapest at its own.

A network that looks at 336 pixels against one that looks at 224 is a comparison of budgets as much as of networks. What
an image costs falls with its size, so the costlier models see smaller images until they cost no more.
"""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np
from PIL import Image

from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.inspection.cost import count_macs, images_per_second
from visavis.zoo.preprocess import Crop

Cost = Literal["macs", "ms"]
STEPS = (8, 14, 16, 32)  # of sizes, in pixels: the first that a network's patches or strides allow
TIMED, ROUNDS, SIDE = 32, 3, 256  # pictures of noise with so many pixels a side


def check_equal(equal: str | None, resolution: int | None) -> None:
    """Raises UsageError for a cost that is none, or where sizes are given too."""
    if equal is not None and equal not in get_args(Cost):
        raise UsageError(f"equal must be one of {', '.join(get_args(Cost))}, not {equal!r}.")
    if equal is not None and resolution is not None:
        raise UsageError("--equal chooses each model's image size, and --resolution gives one for all. Leave out one.")


def at_equal_cost(encoders: Sequence[Encoder], cost: Cost, crop: Crop) -> tuple[Encoder, ...]:
    """The same models, opened anew where they have to see smaller images.

    Args:
        encoders: Each at its own size.
        cost: "macs" counts multiply-accumulates of an image; "ms" takes the time, here and now.
        crop: As in `load`.

    Raises:
        UsageError: A model's operations cannot be counted, or it costs too much at any size that it can see.
    """
    price = _count if cost == "macs" else _time
    prices = [price(encoder) for encoder in encoders]
    budget = min(prices)
    cheapest = encoders[prices.index(budget)].name
    return tuple(
        encoder if own <= budget else _within(encoder, budget, price, crop, cheapest)
        for encoder, own in zip(encoders, prices, strict=True)
    )


def _within(encoder: Encoder, budget: float, price: Callable[[Encoder], float], crop: Crop, cheapest: str) -> Encoder:
    """At the largest size within the budget. Raises UsageError where there is none."""
    opened = partial(load, encoder.name, crop=crop)
    sizes = range(0, encoder.image_size, _step(encoder, opened))[1:]
    fitting = bisect.bisect_right(sizes, budget, key=lambda size: price(opened(image_size=size)))
    if not fitting:
        raise UsageError(
            f"{encoder.name} costs more than {cheapest} at every size that it can see, down to {sizes[0]} pixels. "
            f"Leave out --equal, or one of the two."
        )
    return opened(image_size=sizes[fitting - 1])


def _step(encoder: Encoder, opened: Callable[..., Encoder]) -> int:
    """By how many pixels the network's images can become smaller."""
    for step in STEPS:
        if encoder.image_size % step or encoder.image_size == step:
            continue
        try:
            opened(image_size=encoder.image_size - step)
        except UsageError:
            continue
        return step
    raise UsageError(
        f"{encoder.name} takes images of {encoder.image_size} pixels only, so --equal cannot cut its cost."
    )


def _count(encoder: Encoder) -> float:
    """Multiply-accumulates of one image."""
    macs = count_macs(encoder.image_tower, encoder.image_size)
    if macs is None:
        raise UsageError(f"The operations of {encoder.name} cannot be counted. --equal ms takes the time instead.")
    return macs


def _time(encoder: Encoder) -> float:
    """Milliseconds for one of many images, scaling included: the median of `ROUNDS`."""
    generator = np.random.default_rng(0)
    pictures = [Image.fromarray(generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(TIMED)]
    encode = partial(encoder.encode_images, pictures)
    encode()  # warms up
    return 1000 / statistics.median(images_per_second(encode, TIMED) for _ in range(ROUNDS))
