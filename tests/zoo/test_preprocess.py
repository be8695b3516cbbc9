from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visavis.zoo import preprocess
from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_an_image_of_the_right_size_is_untouched():
    image = noise(16, 16)
    np.testing.assert_array_equal(Preprocess(image_size=16, resize=16).pixels(image), np.asarray(image))


def test_the_middle_of_a_wide_picture_by_hand():
    # 9 x 4 with the shorter side already 4: no resizing. Margin (9 - 4) / 2 = 2.5, rounded to even: columns 2 to 5.
    pixels = np.zeros((4, 9, 3), np.uint8)
    pixels[..., :] = np.arange(9)[None, :, None] * 10
    cut = Preprocess(image_size=4, resize=4).pixels(Image.fromarray(pixels))
    assert cut.shape == (4, 4, 3)
    assert cut[0, :, 0].tolist() == [20, 30, 40, 50]


def test_the_middle_of_a_tall_picture_by_hand():
    # 4 x 11: margin 3.5, rounded to even: rows 4 to 7
    pixels = np.zeros((11, 4, 3), np.uint8)
    pixels[..., :] = np.arange(11)[:, None, None] * 10
    cut = Preprocess(image_size=4, resize=4).pixels(Image.fromarray(pixels))
    assert cut[:, 0, 0].tolist() == [40, 50, 60, 70]


def test_half_a_pixel_may_be_rounded_down():
    # the same picture as transformers cuts it: margin 3.5 becomes 3, so rows 3 to 6; 4 x 4 has no margin at all
    pixels = np.zeros((11, 4, 3), np.uint8)
    pixels[..., :] = np.arange(11)[:, None, None] * 10
    down = Preprocess(image_size=4, resize=4, crop_rounding="down")
    assert down.pixels(Image.fromarray(pixels))[:, 0, 0].tolist() == [30, 40, 50, 60]
    np.testing.assert_array_equal(down.pixels(noise(4, 4)), np.asarray(noise(4, 4)))


def test_resize_is_larger_than_the_cut():
    # Supervised recipes bring the shorter side to 256 and cut 224. Here 8 and 4: margins of 2.
    image = noise(8, 8)
    cut = Preprocess(image_size=4, resize=8).pixels(image)
    np.testing.assert_array_equal(cut, np.asarray(image)[2:6, 2:6])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(37, 50), (50, 37), (301, 64), (64, 300), (13, 13), (1, 1), (5, 200), (65, 64)])
@pytest.mark.parametrize(("image_size", "resize"), [(32, 32), (32, 37), (64, 64)])
def test_pillow_alone_gives_the_same(size, image_size, resize, interpolation):
    image = noise(*size)
    ours = Preprocess(image_size=image_size, resize=resize, interpolation=interpolation).pixels(image)
    width, height = size
    # torchvision: the shorter side becomes `resize`, the longer int(resize * longer / shorter)
    scaled = (resize, int(resize * height / width)) if width <= height else (int(resize * width / height), resize)
    method = Image.Resampling.BILINEAR if interpolation == "bilinear" else Image.Resampling.BICUBIC
    pixels = np.asarray(image.resize(scaled, method))
    top, left = (round((side - image_size) / 2) for side in pixels.shape[:2])
    np.testing.assert_array_equal(ours, pixels[top : top + image_size, left : left + image_size])


@given(width=st.integers(1, 90), height=st.integers(1, 90), extra=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_any_size_gives_the_square(width, height, extra):
    pixels = Preprocess(image_size=17, resize=17 + extra).pixels(Image.new("RGB", (width, height), (1, 2, 3)))
    assert pixels.shape == (17, 17, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == [1, 2, 3]).all()


def test_other_modes_become_rgb():
    grey = Image.new("L", (10, 10), 77)
    assert (Preprocess(image_size=8, resize=8).pixels(grey) == 77).all()


def test_normalisation_by_hand():
    # (255 / 255 - 0.5) / 0.25 = 2; (0 - 0.5) / 0.25 = -2; (51 / 255 - 0.2) / 1 = 0
    settings = Preprocess(image_size=1, resize=1, mean=(0.5, 0.5, 0.2), std=(0.25, 0.25, 1.0))
    values = settings.normalise(np.array([[[255, 0, 51]]], np.uint8))
    assert values.shape == (3, 1, 1)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[:, 0, 0], [2, -2, 0], atol=1e-6)


def test_batches_are_normalised_like_single_images():
    settings = Preprocess(image_size=4, resize=4)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    together = settings.normalise(pixels)
    assert together.shape == (3, 3, 4, 4)
    np.testing.assert_array_equal(together[1], settings.normalise(pixels[1]))


def test_published_constants():
    # openai/CLIP clip/clip.py, _transform; pytorch/vision references/classification/presets.py
    assert CLIP_MEAN == (0.48145466, 0.4578275, 0.40821073)
    assert CLIP_STD == (0.26862954, 0.26130258, 0.27577711)
    assert IMAGENET_MEAN == (0.485, 0.456, 0.406)
    assert IMAGENET_STD == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("size", [(40_000, 1), (1, 40_000)])
def test_a_hair_is_cut_before_it_is_resized(size, monkeypatch):
    # Resized whole, a picture of 1 x 10,000,000 pixels would need 64 x 640,000,000.
    monkeypatch.setattr(preprocess, "MAX_PIXELS", 100_000)
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def watched(self: Image.Image, size: tuple[int, int], *arguments) -> Image.Image:
        sizes.append(size)
        return resize(self, size, *arguments)

    monkeypatch.setattr(Image.Image, "resize", watched)
    length = max(size)
    ramp = np.repeat((np.arange(length) * 255 // length).astype(np.uint8)[:, None], 3, axis=1)  # black to white
    image = Image.fromarray(ramp.reshape(size[1], size[0], 3))
    pixels = Preprocess(image_size=32, resize=32).pixels(image)
    assert sizes[0][0] * sizes[0][1] <= 100_000
    assert pixels.shape == (32, 32, 3)
    assert set(np.unique(pixels)) <= {126, 127, 128}  # the middle of the ramp


def test_ordinary_pictures_are_not_cut_first():
    # the peers' tests compare a picture of 1000 x 3 at 256 pixels with torchvision
    image = Image.new("RGB", (1000, 3))
    assert Preprocess(image_size=224, resize=256)._without_ends(image) is image


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"resize": 31}, "resize must be 1 to 4 times image_size, not 31 for 32"),
        ({"resize": 129}, "resize must be 1 to 4 times image_size, not 129 for 32"),
        ({"resize": 32.0}, r"resize must be 1 to 4 times image_size, not 32\.0"),
        ({"image_size": 0}, "image_size must be a whole number from 1 to 4096, not 0"),
        ({"image_size": 10**6, "resize": 10**6}, "image_size must be a whole number from 1 to 4096"),
        ({"interpolation": "nearest"}, "interpolation must be 'bilinear' or 'bicubic', not 'nearest'"),
        ({"crop_rounding": "up"}, "crop_rounding must be 'even' or 'down', not 'up'"),
        ({"mean": (0.5, 0.5)}, "mean must be three numbers"),
        ({"mean": (0.5, 0.5, float("nan"))}, "mean must be three numbers"),
        ({"mean": (0.5, 1e308, 0.5)}, "mean must be three numbers up to 10000"),
        ({"std": (0.5, 0.0, 0.5)}, r"std must be at least 0\.0001 in each channel"),
        ({"std": (0.5, 1e-300, 0.5)}, r"std must be at least 0\.0001 in each channel"),
    ],
)
def test_impossible_settings(values, words):
    with pytest.raises(ValueError, match=words):
        Preprocess(**{"image_size": 32, "resize": 32, **values})
