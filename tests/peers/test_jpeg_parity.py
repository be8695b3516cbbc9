"""JPEG files to a network's input, bit for bit what open_clip's and torchvision's own transforms make of them."""

from __future__ import annotations

import io

import numpy as np
import open_clip
import pytest
from PIL import Image
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.functional import InterpolationMode

import visavis
from visavis.bench.pictures import photographs
from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess

SIZES = [(500, 375), (333, 500), (1201, 900), (224, 224), (90, 160)]


@pytest.fixture(scope="module")
def clip() -> visavis.Encoder:
    return visavis.load("ViT-mini-8", weights=None)


@pytest.mark.parametrize("size", SIZES)
def test_open_clip(clip, size):
    (file,) = photographs(1, *size)
    clip.preprocessing = Preprocess(image_size=224, resize=224)
    theirs = open_clip.image_transform(224, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    np.testing.assert_array_equal(clip.preprocess(file).numpy(), theirs(Image.open(io.BytesIO(file))).numpy())


@pytest.mark.parametrize("size", SIZES)
def test_torchvision(clip, size):
    (file,) = photographs(1, *size)
    clip.preprocessing = Preprocess(
        image_size=224, resize=232, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    theirs = ImageClassification(crop_size=224, resize_size=232, interpolation=InterpolationMode.BILINEAR)
    np.testing.assert_array_equal(clip.preprocess(file).numpy(), theirs(Image.open(io.BytesIO(file))).numpy())
