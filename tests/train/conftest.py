"""A handful of drawings, and one processor thread so that equal runs give equal bits."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from visavis.data.dataset import Dataset, Sample, sample_id


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def drawings() -> Dataset:
    """Twelve pictures of six things: each thing is a rectangle of its own place and colour, drawn twice."""
    random = np.random.default_rng(3)
    samples = []
    for thing in range(6):
        top, left = random.integers(4, 30, size=2)
        colour = random.integers(0, 200, size=3)
        for copy in range(2):
            pixels = np.full((64, 64, 3), 255, np.uint8)
            pixels[top : top + 28 - 6 * copy, left : left + 28 - 6 * copy] = colour
            samples.append(sample(f"thing {thing}", f"{thing}/{copy}.png", pixels))
    return Dataset(name="drawings", samples=tuple(samples))


def sample(label: str, name: str, pixels: np.ndarray) -> Sample:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    captions = (label, f"an emoji of {label}")
    return Sample(
        id=sample_id(stream.getvalue(), name),
        name=name,
        data=stream.getvalue(),
        label=label,
        captions=captions,
    )
