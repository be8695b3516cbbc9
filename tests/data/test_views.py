"""Views as functions of pictures: worked examples, properties, names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from visavis.data.changes.kinds import CHANGES, EXAMPLES
from visavis.data.presets import CORRUPTIONS
from visavis.data.views import parse_view
from visavis.errors import UsageError

PICTURES = st.tuples(st.integers(16, 40), st.integers(16, 40)).flatmap(
    lambda size: arrays.arrays(np.uint8, (*size, 3)).map(Image.fromarray)
)
IDENTITIES = (
    "clean", "patch_shuffle:1", "occlusion:0", "rotate:0", "rotate:360", "shift:0", "shrink:100", "exposure:100",
    "fade:100", "hue:0",
)  # fmt: skip


CORRUPTED = {kind for group in CORRUPTIONS.values() for kind in group}
SAME_SIZE = [name for name in EXAMPLES if name.partition(":")[0] not in CORRUPTED]


def noise(height: int = 48, width: int = 64, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def test_grayscale_is_the_luma_of_bt_601():
    # 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1
    image = Image.frombytes("RGB", (3, 1), bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
    grey = parse_view("grayscale").apply(image)
    assert [grey.getpixel((x, 0)) for x in range(3)] == [(76,) * 3, (150,) * 3, (29,) * 3]


@pytest.mark.parametrize("name", SAME_SIZE)
@settings(deadline=None, max_examples=15)
@given(image=PICTURES)
def test_same_size_same_result_and_the_picture_untouched(name, image):
    before = image.tobytes()
    one, two = parse_view(name).apply(image), parse_view(name).apply(image.copy())
    assert image.tobytes() == before
    assert (one.mode, one.size) == ("RGB", image.size)
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("name", IDENTITIES)
@settings(deadline=None, max_examples=15)
@given(image=PICTURES)
def test_level_of_no_change(name, image):
    assert parse_view(name).apply(image).tobytes() == image.tobytes()


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "clean"])
def test_every_other_view_changes_something(name):
    assert parse_view(name).apply(noise()).tobytes() != noise().tobytes()


@pytest.mark.parametrize("grid", [2, 3, 5])
def test_patch_shuffle_moves_whole_cells(grid):
    image = noise()
    shuffled = np.asarray(parse_view(f"patch_shuffle:{grid}").apply(image))
    height, width = 48 // grid, 64 // grid

    def cells(pixels: np.ndarray) -> set[bytes]:
        return {
            pixels[row * height : (row + 1) * height, column * width : (column + 1) * width].tobytes()
            for row in range(grid)
            for column in range(grid)
        }

    assert cells(shuffled) == cells(np.asarray(image))
    rest = np.asarray(image)
    np.testing.assert_array_equal(shuffled[height * grid :], rest[height * grid :])
    np.testing.assert_array_equal(shuffled[:, width * grid :], rest[:, width * grid :])


def test_chance_depends_on_the_picture_and_on_the_level():
    view = parse_view("patch_shuffle:4")
    rows = np.zeros((32, 32, 3), np.uint8)
    rows[...] = np.arange(32)[:, None, None]
    brighter = rows + 1
    moved = [np.asarray(view.apply(Image.fromarray(pixels)))[..., 0] for pixels in (rows, brighter)]
    assert (moved[0] + 1 != moved[1]).any()
    assert parse_view("occlusion:50").apply(noise()).tobytes() != parse_view("occlusion:50.5").apply(noise()).tobytes()


@pytest.mark.parametrize(("percent", "cells"), [(25, 49), (50, 98), (100, 196)])
def test_occlusion_covers_its_share_with_the_mean_colour(percent, cells):
    image = noise(140, 140)
    covered = np.asarray(parse_view(f"occlusion:{percent}").apply(image))
    mean = np.asarray(image).mean(axis=(0, 1)).round()
    assert (covered == mean).all(axis=2).sum() == pytest.approx(cells * 100, abs=3)  # noise may hit the colour itself
    blocks = (covered == mean).all(axis=2).reshape(14, 10, 14, 10).mean(axis=(1, 3))
    assert ((blocks > 0.9) | (blocks < 0.1)).all()


def grating(cycles: int, side: int = 128) -> Image.Image:
    wave = 127.5 + 100 * np.sin(2 * np.pi * cycles * np.arange(side) / side)
    return Image.fromarray(np.broadcast_to(wave[:, None], (side, side, 3)[:2]).round().astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize(("cycles", "cut_off"), [(4, 8), (8, 8), (16, 8), (8, 4), (16, 32)])
def test_low_pass_keeps_the_share_of_contrast_that_it_says(cycles, cut_off):
    kept = np.asarray(parse_view(f"low_pass:{cut_off}").apply(grating(cycles)), float)[32:96, 0, 0]
    share = np.abs(np.fft.rfft(kept - kept.mean()))[cycles // 2] / (100 * 32)
    # Pillow's blur is three box filters, near a Gaussian
    assert share == pytest.approx(np.exp(-(cycles**2) / (2 * cut_off**2)), abs=0.05)


@settings(deadline=None, max_examples=15)
@given(image=PICTURES, cycles=st.sampled_from([1, 4, 16]))
def test_low_and_high_pass_add_up(image, cycles):
    low, high = (np.asarray(parse_view(f"{kind}_pass:{cycles}").apply(image), int) for kind in ("low", "high"))
    picture = np.asarray(image, int)
    unclipped = (high > 0) & (high < 255)
    mean = picture.mean(axis=(0, 1))
    assert np.abs(low + high - mean - picture)[unclipped].max(initial=0) <= 1


def test_silhouette_of_a_disc():
    rows, columns = np.mgrid[:64, :64]
    inside = (rows - 32) ** 2 + (columns - 30) ** 2 < 200
    pixels = np.where(inside[..., None], (200, 30, 90), (250, 250, 240)).astype(np.uint8)
    found = np.asarray(parse_view("silhouette").apply(Image.fromarray(pixels)))
    np.testing.assert_array_equal(found, np.where(inside[..., None], 0, 255) * np.ones(3, int))


def test_silhouette_of_nothing():
    assert np.asarray(parse_view("silhouette").apply(Image.new("RGB", (9, 9), "teal"))).min() == 255


def test_turning():
    image = noise(32, 32)
    pixels = np.asarray(image)
    np.testing.assert_array_equal(np.asarray(parse_view("mirror").apply(image)), pixels[:, ::-1])
    np.testing.assert_array_equal(np.asarray(parse_view("upside_down").apply(image)), pixels[::-1, ::-1])
    np.testing.assert_array_equal(np.asarray(parse_view("rotate:90").apply(image)), np.rot90(pixels))


def test_shift_and_shrink_fill_with_the_border():
    image = Image.new("RGB", (20, 10), "navy")
    image.putpixel((4, 4), (255, 0, 0))
    moved = parse_view("shift:50").apply(image)
    assert moved.getpixel((14, 9)) == (255, 0, 0)
    assert moved.getpixel((0, 0)) == (0, 0, 128)
    assert parse_view("shrink:10").apply(Image.new("RGB", (20, 10), "navy")).getcolors() == [(200, (0, 0, 128))]


def test_hue_turns_red_to_green():
    assert parse_view("hue:120").apply(Image.new("RGB", (1, 1), "red")).getpixel((0, 0)) == (0, 255, 0)


def test_names_are_canonical():
    assert parse_view("low_pass:8.0").name == parse_view("low_pass:8").name == "low_pass:8"
    assert [parse_view(name).name for name in EXAMPLES] == list(EXAMPLES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("greyscale", "Did you mean grayscale"),
        ("patch_shuffle", r"from 1 to 64 behind a colon, such as patch_shuffle:4"),
        ("patch_shuffle:2.5", "a whole number"),
        ("low_pass:0", "from 0.5 to 512"),
        ("low_pass:nan", "from 0.5 to 512"),
        ("rotate:x", "a number from -360 to 360"),
        ("clean:3", "has no levels"),
        ("", "Unknown view"),
    ],
)
def test_names_that_are_no_views(name, said):
    with pytest.raises(UsageError, match=said):
        parse_view(name)


def test_every_change_says_what_it_is():
    assert len({parse_view(name).about for name in EXAMPLES}) == len(CHANGES)
