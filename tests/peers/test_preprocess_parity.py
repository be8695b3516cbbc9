"""Image preprocessing, pixel for pixel, against the transforms of open_clip, torchvision, timm and transformers."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import open_clip
import pytest
import timm.data
from PIL import Image
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.functional import InterpolationMode
from transformers import CLIPImageProcessorPil, ConvNextImageProcessorPil, ViTImageProcessorPil

from visavis.engine.pictures import as_picture
from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess
from visavis.zoo.sidecars import hugging_face_preprocess, timm_preprocess

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


# Each peer's transform without its normalisation, as float [3, image_size, image_size] from 0 to 1, and ours from the
# peer's own description of it.
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
TIMM = {"input_size": (3, 64, 64), "crop_pct": 0.9, "interpolation": "bicubic", **PLAIN}
TIMM_SQUASHED = {**TIMM, "crop_mode": "squash", "crop_pct": 1.0}
Transform = Callable[[Image.Image], np.ndarray]


def of_transformers(processor: type, **settings) -> tuple[Transform, Preprocess]:
    theirs = processor(image_mean=[0, 0, 0], image_std=[1, 1, 1], **settings)
    described = json.loads(theirs.to_json_string())
    return lambda image: theirs(image, return_tensors="np")["pixel_values"][0], hugging_face_preprocess(described)


def of_timm(settings: dict) -> tuple[Transform, Preprocess]:
    theirs = timm.data.create_transform(**settings)
    return lambda image: theirs(image).numpy(), timm_preprocess(settings)


def of_open_clip() -> tuple[Transform, Preprocess]:
    theirs = open_clip.image_transform(64, is_train=False, **PLAIN)
    return lambda image: theirs(image).numpy(), Preprocess(image_size=64, resize=64)


def of_torchvision() -> tuple[Transform, Preprocess]:
    theirs = ImageClassification(crop_size=64, resize_size=73, **PLAIN)
    return lambda image: theirs(image).numpy(), Preprocess(image_size=64, resize=73, interpolation="bilinear")


PEERS: dict[str, Callable[[], tuple[Transform, Preprocess]]] = {
    "open_clip": of_open_clip,
    "torchvision": of_torchvision,
    "timm": lambda: of_timm(TIMM),
    "timm, squashed": lambda: of_timm(TIMM_SQUASHED),
    "transformers, CLIP": lambda: of_transformers(CLIPImageProcessorPil, size={"shortest_edge": 64}, crop_size=64),
    "transformers, ViT": lambda: of_transformers(ViTImageProcessorPil, size={"height": 64, "width": 64}),
    "transformers, ResNet": lambda: of_transformers(ConvNextImageProcessorPil, size={"shortest_edge": 64}),
}


MODES = ["RGB", "L", "1", "P", "P, transparent", "LA", "RGBA", "PA", "CMYK", "YCbCr"]
SIDES = [(133, 87), (87, 133), (65, 64), (301, 300), (64, 64), (37, 50)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("peer", PEERS)
def test_pictures_of_every_mode_to_the_last_uint8(peer, mode):
    """As each library's loader hands them on: converted to RGB, then transformed."""
    theirs, ours = PEERS[peer]()
    for size in SIDES:
        picture = in_mode(mode, size)
        loaded = Image.fromarray(np.asarray(picture.convert("RGB")))
        expected = np.rint(theirs(loaded) * 255).transpose(1, 2, 0)
        np.testing.assert_array_equal(ours.pixels(picture), expected)


@pytest.mark.parametrize("mode", MODES)
def test_pictures_as_an_encoder_takes_them(mode):
    """Transformers converts pictures itself, and shows what is transparent over white, as visavis does."""
    theirs, ours = PEERS["transformers, CLIP"]()
    for size in SIDES:
        picture = in_mode(mode, size)
        expected = np.rint(theirs(picture) * 255).transpose(1, 2, 0)
        np.testing.assert_array_equal(ours.pixels(as_picture(picture)), expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "YCbCr"])
def test_opaque_pictures_as_an_encoder_takes_them(mode):
    """As the loaders of all libraries convert them."""
    picture = in_mode(mode, (40, 30))
    np.testing.assert_array_equal(np.asarray(as_picture(picture)), np.asarray(picture.convert("RGB")))


def test_transparency_must_be_dropped_before_where_it_should_be():
    """The loaders of open_clip, torchvision and timm show what lies unseen under it."""
    unseen = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert as_picture(unseen).getpixel((0, 0)) == (255, 255, 255)
    assert as_picture(unseen.convert("RGB")).getpixel((0, 0)) == (10, 20, 30)


def in_mode(mode: str, size: tuple[int, int]) -> Image.Image:
    """Noise; where the mode has transparency, that is noise too."""
    picture = noise(size)
    if mode in ("LA", "RGBA", "PA"):
        picture.putalpha(Image.fromarray(np.asarray(noise(size))[..., 1]))
        return picture if mode == "RGBA" else picture.convert(mode)
    if mode == "P, transparent":
        picture = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
        picture.info["transparency"] = 3
        return picture
    return picture.convert(mode)


def test_constants_are_the_published_ones():
    assert open_clip.OPENAI_DATASET_MEAN == CLIP_MEAN
    assert open_clip.OPENAI_DATASET_STD == CLIP_STD


def noise(size: tuple[int, int]) -> Image.Image:
    """An image on which any other filter or crop would show."""
    width, height = size
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))
