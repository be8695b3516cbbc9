from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visavis.data.dataset import Sample, sample_id
from visavis.data.views import View, parse_view
from visavis.engine import embed as module
from visavis.engine.cache import default_cache
from visavis.engine.embed import embed
from visavis.engine.encoder import Encoder
from visavis.errors import VisavisError

CLEAN = parse_view("clean")


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many images each call of the network got."""
    calls: list[int] = []
    original = Encoder.open_feature_engine

    def counting(self, *given):
        engine = original(self, *given)

        def encode(pixels):
            calls.append(len(pixels))
            return engine.encode(pixels)

        return dataclasses.replace(engine, encode=encode)

    monkeypatch.setattr(Encoder, "open_feature_engine", counting)
    return calls


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    """Seven samples make chunks of 3, 3 and 1, in batches of at most 2."""
    monkeypatch.setattr(module, "CHUNK", 3)
    monkeypatch.setattr(module, "BATCH_SIZE", 2)


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "embeddings").rglob("*.float32"))


def test_vectors_are_those_of_encode_images(encoder, samples, arrays, tmp_path):
    vectors = embed(encoder, samples, CLEAN, tmp_path)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, encoder.encode_images(arrays), atol=1e-5, rtol=1e-5)


def test_a_second_time_encodes_nothing_and_gives_the_same_bits(clip, make, samples, tmp_path, counted):
    progress: list[int] = []
    first = embed(clip, samples, CLEAN, tmp_path, progress.append)
    assert counted == [2, 1, 2, 1, 1]
    assert progress == [2, 1, 2, 1, 1]
    counted.clear()
    progress.clear()
    again = embed(make("clip-vit"), samples, CLEAN, tmp_path, progress.append)  # another object, the same weights
    assert counted == []
    assert progress == [3, 3, 1]
    np.testing.assert_array_equal(first, again)
    assert len(kept(tmp_path)) == 3


def test_the_view_is_applied(clip, samples, arrays, tmp_path):
    dark = View(name="dark", about="half as bright", apply=lambda image: image.point(lambda value: value // 2))
    halved = [Image.fromarray(array // 2) for array in arrays]
    vectors = embed(clip, samples, dark, tmp_path)
    np.testing.assert_allclose(vectors, clip.encode_images(halved), atol=1e-5, rtol=1e-5)


def test_keys_hold_all_that_changes_the_vectors(clip, make, samples, tmp_path, counted):
    embed(clip, samples[:2], CLEAN, tmp_path)
    again = dataclasses.replace(samples[1], id=sample_id(b"other bytes", "1"))
    for encoder, chosen, view in (
        (clip, samples[:2], parse_view("grayscale")),
        (make("clip-vit", seed=1), samples[:2], CLEAN),
        (make("clip-vit", interpolation="bilinear"), samples[:2], CLEAN),
        (clip, samples[:2][::-1], CLEAN),
        (clip, (samples[0], again), CLEAN),
    ):
        counted.clear()
        embed(encoder, chosen, view, tmp_path)
        assert counted == [2]
    assert len(kept(tmp_path)) == 6


def damage(content: bytes) -> dict[str, bytes]:
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    return {
        "empty": b"",
        "cut": content[:-1],
        "half": content[: len(content) // 2],
        "longer": content + b"\0",
        "one bit": bytes(flipped),
        "zeros": bytes(len(content)),
        "numpy": b"\x93NUMPY\x01\x00v\x00" + content[10:],
    }


@pytest.mark.parametrize("name", damage(b"0123456789"))
def test_damaged_files_are_made_again(clip, samples, tmp_path, counted, name):
    first = embed(clip, samples, CLEAN, tmp_path)
    victim = kept(tmp_path)[0]
    content = victim.read_bytes()
    victim.write_bytes(damage(content)[name])
    counted.clear()
    np.testing.assert_array_equal(embed(clip, samples, CLEAN, tmp_path), first)
    assert sum(counted) in (1, 3)  # that chunk alone
    assert victim.read_bytes() == content


def test_an_interrupted_run_goes_on_where_it_was(clip, samples, tmp_path, counted):
    def interrupt(images: int) -> None:
        if sum(counted) >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(clip, samples, CLEAN, tmp_path, interrupt)
    assert len(kept(tmp_path)) == 1  # the first chunk of three is kept
    counted.clear()
    vectors = embed(clip, samples, CLEAN, tmp_path)
    assert sum(counted) == 4
    np.testing.assert_array_equal(vectors, embed(clip, samples, CLEAN, tmp_path / "fresh"))


def test_more_images_cost_only_themselves(clip, samples, tmp_path, counted):
    embed(clip, samples[:6], CLEAN, tmp_path)
    counted.clear()
    embed(clip, samples, CLEAN, tmp_path)
    assert counted == [1]


def test_no_samples(clip, tmp_path):
    assert embed(clip, (), CLEAN, tmp_path).shape == (0, clip.embed_dim)


def test_a_picture_that_vanished(clip, samples, tmp_path):
    gone = Sample(id="0" * 16, name="cats/tom.png", path=tmp_path / "tom.png")
    with pytest.raises(VisavisError, match=r"'cats/tom.png' could be read when .* any more \(No such file"):
        embed(clip, (*samples[:3], gone), CLEAN, tmp_path / "cache")
    assert len(kept(tmp_path / "cache")) == 1  # what was done before is kept


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_cache_that_cannot_be_made(clip, samples, tmp_path, below):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(VisavisError, match=r"Cannot keep embeddings in .*Free some space, or set VISAVIS_CACHE"):
        embed(clip, samples, CLEAN, tmp_path / "file" / below)


def test_a_full_disk_keeps_what_was_encoded(clip, samples, tmp_path):
    embed(clip, samples[:3], CLEAN, tmp_path)
    before = kept(tmp_path)[0].read_bytes()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, usual[1]))
        with pytest.raises(VisavisError, match="Cannot keep embeddings"):
            embed(clip, samples, CLEAN, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [path.read_bytes() for path in kept(tmp_path)] == [before]


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("VISAVIS_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.setenv("VISAVIS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert default_cache() == tmp_path / "x" / "visavis"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache() == tmp_path / "home" / ".cache" / "visavis"


def test_nothing_unfinished_is_left(clip, samples, tmp_path):
    embed(clip, samples, CLEAN, tmp_path)
    [folder] = (tmp_path / "embeddings").iterdir()
    assert all(name == "model.json" or name.endswith(".float32") for name in os.listdir(folder))
