"""Image preprocessing, pixel for pixel, against open_clip's (CLIP models) and torchvision's (supervised models)."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
from PIL import Image
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.functional import InterpolationMode

from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess

# Width and height: square, wide, tall, smaller and larger than the input, odd margins, one row of pixels.
SIZES = [
    (64, 64),
    (224, 224),
    (640, 427),
    (427, 640),
    (301, 300),
    (225, 224),
    (37, 50),
    (1000, 3),
    (1, 1),
    (233, 517),
]
# Both divide by 255 and normalise in float32; the order of the operations may change the last bits.
TOLERANCE = 1e-6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("image_size", [64, 224])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_open_clip(size, image_size, interpolation):
    ours = Preprocess(image_size=image_size, resize=image_size, interpolation=interpolation)
    theirs = open_clip.image_transform(
        image_size, is_train=False, mean=CLIP_MEAN, std=CLIP_STD, interpolation=interpolation
    )
    image = noise(size)
    np.testing.assert_allclose(ours.normalise(ours.pixels(image)), theirs(image).numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resize", [232, 256])
def test_torchvision(size, resize):
    ours = Preprocess(image_size=224, resize=resize, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    theirs = ImageClassification(crop_size=224, resize_size=resize, interpolation=InterpolationMode.BILINEAR)
    image = noise(size)
    np.testing.assert_allclose(ours.normalise(ours.pixels(image)), theirs(image).numpy(), atol=TOLERANCE)


def test_constants_are_the_published_ones():
    assert open_clip.OPENAI_DATASET_MEAN == CLIP_MEAN
    assert open_clip.OPENAI_DATASET_STD == CLIP_STD


def noise(size: tuple[int, int]) -> Image.Image:
    """An image on which any other filter or crop would show."""
    width, height = size
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))
