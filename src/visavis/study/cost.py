"""The cost rows of a study: counted from the networks, and measured on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from PIL import Image

from visavis.data.dataset import Sample
from visavis.engine.encoder import Encoder
from visavis.engine.pictures import read_picture
from visavis.inspection.cost import count_macs, count_params, images_per_second, peak_memory_mib
from visavis.progress import ShowProgress

TIMED_IMAGES = 128
TIMED_PIXELS = 200_000_000  # decoded images held at once: 600 MB; photographs of 12 megapixels are timed with 17
ROUNDS = 3  # each model is timed once a round, so that a drift of the machine's speed falls on all
BATCH_SIZE = 32


def measure_costs(encoders: Sequence[Encoder], samples: Sequence[Sample], progress: ShowProgress) -> pd.DataFrame:
    """params, macs, weight_mib, peak_memory_mib (counted, no interval) and images_per_s (timed, slowest to fastest).

    `params` and `weight_mib` hold all towers; `macs`, speed and memory are the image tower's. Images are decoded before
    they are timed: cutting, scaling and encoding count, in batches of 32.
    """
    images = _decoded(samples)
    speeds: dict[str, list[float]] = {encoder.name: [] for encoder in encoders}
    for encoder in encoders:
        _encode(encoder, images[:BATCH_SIZE])  # warms up
    for done in range(ROUNDS):
        for encoder in encoders:
            speeds[encoder.name].append(images_per_second(partial(_encode, encoder, images), len(images)))
        progress("timing", done + 1, ROUNDS)
    rows = []
    for encoder in encoders:
        tower = encoder.image_tower
        params = count_params(encoder.model)
        rows += [
            _row(encoder.name, "params", params),
            _row(encoder.name, "macs", _or_nan(count_macs(tower, encoder.image_size))),
            _row(encoder.name, "weight_mib", params * 4 / 2**20),
            _measured(encoder.name, "images_per_s", speeds[encoder.name], len(images)),
            _row(
                encoder.name, "peak_memory_mib", peak_memory_mib(tower, partial(_encode, encoder, images[:BATCH_SIZE]))
            ),
        ]
    return pd.DataFrame(rows)


def _decoded(samples: Sequence[Sample]) -> list[Image.Image]:
    """The first images, as many as TIMED_IMAGES and TIMED_PIXELS allow, at least one."""
    images: list[Image.Image] = []
    pixels = 0
    for sample in samples[:TIMED_IMAGES]:
        if pixels >= TIMED_PIXELS:
            break
        images.append(read_picture(sample))
        pixels += images[-1].width * images[-1].height
    return images


def _encode(encoder: Encoder, images: Sequence[Image.Image]) -> object:
    return encoder.encode_images(images, batch_size=BATCH_SIZE)


def _or_nan(count: int | None) -> float:
    return np.nan if count is None else count


def _row(model: str, metric: str, value: float) -> dict[str, object]:
    empty = dict.fromkeys(("low", "high", "n", "draw_low", "draw_high", "tie_group"), np.nan)
    return {"model": model, "view": "", "measure": "cost", "metric": metric, "value": value, **empty}


def _measured(model: str, metric: str, values: Sequence[float], n: int) -> dict[str, object]:
    spread = {"value": float(np.median(values)), "low": min(values), "high": max(values), "n": n}
    return _row(model, metric, 0.0) | spread
