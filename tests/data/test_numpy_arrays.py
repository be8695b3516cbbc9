"""NumPy archives: pictures in parts, names and groups, and archives that lie."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from visavis.data.numpy_arrays import read_npz
from visavis.data.read import read_dataset
from visavis.errors import UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


def save(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def test_images_labels_classes_and_groups(tmp_path):
    path = save(
        tmp_path, images=PIXELS, labels=np.array([[1], [0], [1], [0]]), classes=["cat", "dog"], groups=[7, 7, 8, 8]
    )
    dataset = read_dataset(path)
    assert [(one.label, one.group, one.part) for one in dataset.samples] == [
        ("dog", "7", ""), ("cat", "7", ""), ("dog", "8", ""), ("cat", "8", ""),
    ]  # fmt: skip
    for one, pixels in zip(dataset.samples, PIXELS, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(one.data or b""))), pixels)


def test_the_parts_of_keras_mnist(tmp_path):
    path = save(
        tmp_path,
        x_train=PIXELS[..., 0],
        y_train=np.array([5, 0, 4, 1], np.uint8),
        x_test=PIXELS[:2, ..., :1],
        y_test=[7, 2],
    )
    dataset = read_npz(path)
    assert [(one.label, one.part) for one in dataset.samples] == [
        ("5", "train"), ("0", "train"), ("4", "train"), ("1", "train"), ("7", "test"), ("2", "test"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"pictures": PIXELS}, r"holds the arrays pictures, and no images. Name them"),
        ({"images": PIXELS}, "has no array labels; it has images"),
        ({"images": PIXELS / 255, "labels": [0, 1, 0, 1]}, r"are float64, not uint8.*255"),
        ({"images": PIXELS[0, 0], "labels": [0, 1]}, r"have the shape \(6, 3\)"),
        ({"images": np.stack([PIXELS] * 2, 1), "labels": [0] * 4}, "have the shape"),
        ({"images": PIXELS, "labels": [0, 1]}, "4 images and 2 labels"),
        ({"images": PIXELS, "labels": [0, 1, 2, 1], "classes": ["a", "b"]}, r"Label 3 of .* is 2, .* names 2, 0 to 1"),
        ({"images": PIXELS, "labels": np.array([0, "a", None, {}], object)}, "Python objects, which are not opened"),
    ],
)
def test_what_is_missing_or_does_not_fit(tmp_path, arrays, said):
    with pytest.raises(UsageError, match=said):
        read_npz(save(tmp_path, **arrays))


def with_header(folder, shape, body):
    """An archive whose header tells of a shape that its bytes do not have."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(folder / "lies.npz", "w") as archive:
        archive.writestr("images.npy", file.getvalue() + body)
    return folder / "lies.npz"


def test_headers_that_lie_take_no_memory(tmp_path):
    with pytest.raises(UsageError, match=r"tells of 4096.0 GiB; the limit is 2 GiB"):
        read_npz(with_header(tmp_path, (2**30, 64, 64), b""))
    with pytest.raises(UsageError, match="tells of 4,096 bytes and has 3"):
        read_npz(with_header(tmp_path, (1, 64, 64), b"abc"))


def test_damaged_archives(tmp_path):
    path = save(tmp_path, images=PIXELS, labels=[0, 1, 0, 1])
    data = bytearray(path.read_bytes())
    data[300] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"cannot be read as .npz|damaged"):
        read_npz(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(UsageError, match=r"cannot be read as .npz"):
        read_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"no header")
    with pytest.raises(UsageError, match="has no header of NumPy's"):
        read_npz(path)
