"""Text is read where there is some, by rapidocr's own networks; nothing is fetched."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from visavis.data.read import read_dataset
from visavis.evaluate.text_in_pictures import text_reader


@pytest.fixture(scope="module")
def read():
    return text_reader()


def sign(text: str) -> np.ndarray:
    picture = Image.new("RGB", (256, 192), (250, 240, 220))
    ImageDraw.Draw(picture).text((20, 70), text, (20, 30, 90), ImageFont.load_default(44))
    return np.asarray(picture)


@pytest.mark.parametrize("text", ["HOTEL", "Room 205"])
def test_characters_are_counted(read, text):
    assert read(sign(text)) == pytest.approx(len(text), abs=1)  # a blank may be dropped


def test_what_is_no_text(read):
    assert read(sign("")) == 0
    assert read(np.random.default_rng(0).integers(0, 256, (200, 256, 3), dtype=np.uint8)) == 0
    assert read(sign("8")) == 0  # one sign may be a wheel


def test_emoji_that_spell_something(read):
    samples = {str(sample.label): sample for sample in read_dataset("emoji-all").samples}
    spelt = ["NEW button", "hundred points", "FREE button"]
    plain = ["green apple", "dog face", "sun"]
    found = {}
    for name in spelt + plain:
        picture = Image.open(io.BytesIO(samples[name].read_bytes())).convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture)
        found[name] = read(np.asarray(ground.convert("RGB").resize((256, 256))))
    assert [found[name] for name in spelt] == [3, 3, 4]
    assert [found[name] for name in plain] == [0, 0, 0]


def test_threads_share_a_reader(read):
    texts = ["OPEN", "closed", "", "Platform 9"] * 3
    alone = [read(sign(text)) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, map(sign, texts))) == alone
    assert alone[:4] == [4, 6, 0, pytest.approx(10, abs=1)]
