"""Pictures to encode without any download: the embedded emoji, and photographs made of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from visavis.data.decoding import decode_image
from visavis.data.read import read_dataset

_GRAIN = 4.0  # standard deviation of a sensor's noise in levels of 255: it makes files as large as cameras' are


def some_pictures(count: int) -> list[Image.Image]:
    """Emoji of all styles and kinds, 64 x 64 pixels."""
    samples = read_dataset("emoji-all").samples
    return [decode_image(samples[place].read_bytes()) for place in np.linspace(0, len(samples) - 1, count, dtype=int)]


def photographs(count: int, width: int, height: int) -> list[bytes]:
    """JPEGs of quality 90 in 4:2:0, as cameras write them: emoji large and small over a gradient, with grain."""
    random = np.random.default_rng(0)
    grain = random.normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
    files = []
    for number in range(count):
        picture = _gradient(random, width, height)
        for emoji in some_pictures(24)[number % 4 :: 2]:
            side = int(min(width, height) * random.uniform(0.15, 0.6))
            large = emoji.resize((side, side), Image.Resampling.BICUBIC)
            picture.paste(large, (int(random.uniform(0, width - side)), int(random.uniform(0, height - side))))
        grainy = np.clip(np.asarray(picture, np.float32) + grain, 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(grainy).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def _gradient(random: np.random.Generator, width: int, height: int) -> Image.Image:
    corners = random.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)
