"""Tiny encoders, and pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tiny_encoders import CONFIGS, make_encoder
from visavis.data.dataset import Sample, sample_id
from visavis.engine.encoder import Encoder


@pytest.fixture(params=CONFIGS)
def encoder(request) -> Encoder:
    return make_encoder(request.param)


@pytest.fixture
def clip() -> Encoder:
    return make_encoder("clip-vit")


@pytest.fixture
def make():
    return make_encoder


@pytest.fixture(scope="session")
def arrays() -> list[np.ndarray]:
    """Seven pictures of different sizes."""
    random = np.random.default_rng(0)
    sizes = [(32, 32), (40, 33), (20, 50), (32, 64), (7, 7), (33, 32), (100, 90)]
    return [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]


@pytest.fixture(scope="session")
def samples(arrays) -> tuple[Sample, ...]:
    return tuple(
        Sample(id=sample_id(png(array), str(number)), name=str(number), data=png(array))
        for number, array in enumerate(arrays)
    )


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()
