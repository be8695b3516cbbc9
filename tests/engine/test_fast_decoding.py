"""JPEGs read at a reduced scale: how small, how near, and never mistaken for what was read whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data as photographs

import visavis
from visavis.data.dataset import Sample, sample_id
from visavis.data.decoding import decode_image
from visavis.data.views import parse_view
from visavis.engine import embed as module
from visavis.engine.embed import embed
from visavis.errors import UsageError

SIDES = st.integers(1, 700)


def jpeg(picture: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(photographs, name)()).convert("RGB")


@settings(deadline=None, max_examples=60)
@given(width=SIDES, height=SIDES, at_least=st.integers(1, 300), progressive=st.booleans())
def test_no_side_falls_below_what_is_enough(width, height, at_least, progressive):
    data = jpeg(Image.new("RGB", (width, height), "teal"), progressive=progressive)
    found = decode_image(data, at_least).size
    scale = max(width / found[0], height / found[1])
    assert scale <= 8
    assert min(found) >= min(width, height, at_least)
    if min(width, height) < 2 * at_least:
        assert found == (width, height)
    elif min(width, height) >= 16 * at_least:
        assert found == (-(-width // 8), -(-height // 8))  # the most that JPEG's blocks of 8 x 8 allow


def test_twice_the_size_that_it_is_resized_to(make):
    encoder = make("supervised-resnet", resize=40)  # of which the centre of 32 is cut
    assert encoder.enough_pixels is None
    encoder.decode = "fast"
    assert encoder.enough_pixels == 80


@pytest.mark.parametrize("model", ["ViT-mini-8.emoji", "RN-mini.emoji", "resnet-mini.emoji"])
def test_fast_is_near(model):
    """At 64 pixels of input a photograph of 512 is as far reduced as one of 1,800 is for a network of 224."""
    files = [jpeg(photograph(name)) for name in ("astronaut", "coffee", "chelsea", "rocket")]
    exact = visavis.load(model).encode_images(files, normalize=True)
    fast = visavis.load(model, decode="fast").encode_images(files, normalize=True)
    assert (exact != fast).any()  # or nothing was reduced
    assert (exact * fast).sum(axis=1).min() >= 0.999


def test_small_pictures_are_read_whole():
    picture = photograph("astronaut").resize((250, 250))  # 64 pixels wanted, 128 enough, half would be 125
    files = [jpeg(picture), picture]
    exact, fast = visavis.load("RN-mini.emoji"), visavis.load("RN-mini.emoji", decode="fast")
    for file in files:
        assert (exact.preprocess(file) == fast.preprocess(file)).all()


def test_exact_is_what_pillow_gives():
    data = jpeg(photograph("coffee"))  # 600 x 400
    whole = Image.open(io.BytesIO(data)).convert("RGB").resize((96, 64), Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((16, 0, 80, 64)))
    encoder = visavis.load("ViT-mini-8.emoji")
    assert (encoder.preprocess(data).numpy() == encoder.preprocessing.normalise(expected)).all()


def test_the_cache_tells_them_apart(tmp_path):
    data = jpeg(photograph("astronaut"))
    samples = (Sample(id=sample_id(data, "a"), name="a", data=data),)
    vectors = {
        decode: embed(visavis.load("RN-mini.emoji", decode=decode), samples, parse_view("clean"), tmp_path)
        for decode in ("exact", "fast", "exact")
    }
    assert (vectors["exact"] != vectors["fast"]).any()
    for decode, kept in vectors.items():
        np.testing.assert_allclose(kept, visavis.load("RN-mini.emoji", decode=decode).encode_images([data]), atol=1e-5)
    assert len({visavis.load("RN-mini.emoji", decode=decode).fingerprint for decode in vectors}) == 2


def test_a_view_that_changes_pictures_sees_all_of_them(monkeypatch, tmp_path):
    asked = []
    original = module.read_picture
    monkeypatch.setattr(module, "read_picture", lambda *args: asked.append(args[1]) or original(*args))
    data = jpeg(photograph("rocket"))
    samples = (Sample(id=sample_id(data, "a"), name="a", data=data),)
    encoder = visavis.load("RN-mini.emoji", decode="fast")
    for view in ("clean", "grayscale"):
        embed(encoder, samples, parse_view(view), tmp_path)
    assert asked == [128, None]


def test_another_word():
    with pytest.raises(UsageError, match="'exact' or 'fast', not 'quick'"):
        visavis.load("RN-mini.emoji", decode="quick")
