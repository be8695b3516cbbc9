"""IDX files: MNIST's form written here by its description, and every way in which such files go wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visavis.data.idx import read_idx
from visavis.data.read import read_dataset
from visavis.errors import UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.array([3, 1, 3, 0, 1, 2], np.uint8)


def idx(array):
    """The bytes of an IDX file, from its description."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder, name, array):
    data = idx(array)
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


@pytest.fixture
def mnist(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte.gz", PIXELS)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS)
    write(tmp_path, "t10k-images-idx3-ubyte", PIXELS[:3] ^ 1)
    write(tmp_path, "t10k-labels-idx1-ubyte.gz", LABELS[:3])
    return tmp_path


def test_parts_labels_and_every_pixel(mnist):
    dataset = read_dataset(mnist)
    parts = {part: [one for one in dataset.samples if one.part == part] for part in ("train", "test")}
    assert [one.label for one in parts["train"]] == ["3", "1", "3", "0", "1", "2"]
    assert [one.label for one in parts["test"]] == ["3", "1", "3"]
    for one, pixels in zip(parts["train"], PIXELS, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(one.data or b""))), pixels)
    assert parts["train"][2].name == "train-images-idx3-ubyte.gz/000002"
    assert read_dataset(mnist).fingerprint == dataset.fingerprint


def test_names_for_the_numbers(mnist):
    (mnist / "classes.txt").write_text("zero\none\ntwo\n drei \n", encoding="utf-8")
    assert [one.label for one in read_idx(mnist).samples if one.part == "test"] == ["drei", "one", "drei"]
    (mnist / "classes.txt").write_text("zero\none\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"Label 1 of .*labels.* is 3, and classes.txt names 2 classes, 0 to 1"):
        read_idx(mnist)


def test_one_file_in_colour_without_a_part(tmp_path):
    file = write(tmp_path, "birds-images.idx4-ubyte", np.stack([PIXELS] * 3, axis=-1))
    write(tmp_path, "birds-labels.idx1-ubyte", LABELS)
    dataset = read_dataset(file)
    assert {one.part for one in dataset.samples} == {""}
    assert len(dataset.samples) == 6


def spoil(data, how):
    return {
        "truncated": data[:-1],
        "longer": data + b"\0",
        "header": data[:9],
        "empty": b"",
        "floats": data[:2] + b"\x0d" + data[3:],
        "labels": idx(LABELS),
        "text": b"hello, world",
        "bomb": struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**16, 2**16),
    }[how]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", r"tells of 6 x 5 x 4 bytes and ends after 119 of them"),
        ("longer", "goes on behind them"),
        ("header", "ends within its header"),
        ("empty", "is no IDX file"),
        ("floats", r"values of type 0x0d; only unsigned bytes"),
        ("labels", "has 1 dimensions where 3 or 4 are meant. Is it the other file"),
        ("text", "is no IDX file: it begins with b'hell'"),
        ("bomb", "GiB of pixels; the limit is 2 GiB"),
    ],
)
@pytest.mark.parametrize("zipped", ["", ".gz"])
def test_a_bad_file_says_what_is_wrong(tmp_path, how, said, zipped):
    data = spoil(idx(PIXELS), how)
    file = tmp_path / f"train-images-idx3-ubyte{zipped}"
    file.write_bytes(gzip.compress(data) if zipped else data)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(UsageError, match=said):
        read_idx(tmp_path)


def test_damaged_gzip_missing_and_unequal_labels(tmp_path):
    file = write(tmp_path, "train-images-idx3-ubyte.gz", PIXELS)
    with pytest.raises(UsageError, match=r"has no file of labels beside it\..*train-labels-idx1-ubyte\.gz"):
        read_idx(file)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS[:5])
    with pytest.raises(UsageError, match=r"holds 6 pictures, and .* 5 labels"):
        read_idx(file)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(UsageError, match="cannot be read"):
        read_idx(file)


@settings(max_examples=200)
@given(data=st.binary(max_size=40), zipped=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, zipped):
    folder = tmp_path_factory.mktemp("idx")
    file = folder / ("train-images-idx3-ubyte.gz" if zipped else "train-images-idx3-ubyte")
    file.write_bytes(b"\0\0\x08\x03" + data)
    write(folder, "train-labels-idx1-ubyte", LABELS[:0])
    with contextlib.suppress(UsageError):
        assert read_idx(file).samples == ()
