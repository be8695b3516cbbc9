from __future__ import annotations

import pytest
from PIL import Image

from visavis.data.views import VIEWS, parse_view
from visavis.errors import UsageError


def test_clean_changes_nothing():
    image = Image.frombytes("RGB", (2, 1), bytes([1, 2, 3, 250, 0, 99]))
    assert parse_view("clean").apply(image).tobytes() == image.tobytes()


def test_grayscale_is_the_luma_of_bt_601():
    # 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1
    image = Image.frombytes("RGB", (3, 1), bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
    grey = parse_view("grayscale").apply(image)
    assert [grey.getpixel((x, 0)) for x in range(3)] == [(76,) * 3, (150,) * 3, (29,) * 3]


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_is_deterministic_keeps_size_and_mode_and_leaves_its_input(name):
    image = Image.effect_noise((9, 7), 80).convert("RGB")
    before = image.tobytes()
    one, two = VIEWS[name].apply(image), VIEWS[name].apply(image)
    assert (one.mode, one.size, one.tobytes()) == ("RGB", (9, 7), two.tobytes())
    assert image.tobytes() == before
    assert VIEWS[name].name == name


def test_a_misspelt_view_offers_the_nearest():
    with pytest.raises(UsageError, match=r"Unknown view 'greyscale'. Did you mean grayscale\?"):
        parse_view("greyscale")
