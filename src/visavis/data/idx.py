"""IDX files, as MNIST comes: pictures in one file, labels in another of the same name, both gzipped or not.

train-images-idx3-ubyte.gz    train-labels-idx1-ubyte.gz    the training part
t10k-images-idx3-ubyte.gz     t10k-labels-idx1-ubyte.gz     the test part, "test" in place of t10k too
classes.txt                   names for the numbers, one a line from 0 on; the numbers themselves where it is missing

Format: LeCun, Cortes and Burges, The MNIST database: two zero bytes, the type (8: unsigned bytes), the number of
dimensions, each size as four bytes with the greatest first, then the values.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from visavis.data.arrays import MAX_BYTES, candidates_of
from visavis.data.checking import Candidate, Progress, check_samples, printable, shown
from visavis.data.class_names import CLASSES, read_class_names
from visavis.data.dataset import Dataset
from visavis.errors import UsageError

_NAME = re.compile(r"(?P<which>.*)images[-.]idx[34]-ubyte(?P<gz>\.gz)?", re.IGNORECASE)
_UNSIGNED_BYTES = 8


def is_idx(path: Path) -> bool:
    """Whether a file is named as IDX pictures are."""
    return _NAME.fullmatch(path.name) is not None


def idx_files(folder: Path) -> list[Path]:
    """The files of pictures in a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if is_idx(path))


def read_idx(path: Path, progress: Progress | None = None) -> Dataset:
    """The pictures of one IDX file, or of all in a folder, with their labels.

    Args:
        path: A file of pictures, or a folder of such.
        progress: Called with the images checked so far and their total.

    Raises:
        UsageError: A file is damaged, too large, of another kind, or the labels do not fit.
    """
    files = idx_files(path) if path.is_dir() else [path]
    names = read_class_names(files[0].parent / CLASSES)
    candidates = [candidate for file in files for candidate in _candidates(file, names)]
    samples, skipped = check_samples(candidates, progress)
    name = path.resolve().name if path.is_dir() else path.name
    return Dataset(name=printable(name), samples=samples, skipped=skipped)


def _candidates(file: Path, names: list[str]) -> list[Candidate]:
    pixels = _read(file, dimensions=(3, 4))
    labels_file = _labels_of(file)
    if labels_file is None:
        raise UsageError(
            f"{shown(file)} has no file of labels beside it. It is named as the pictures', with labels for images and "
            "idx1 for idx3, such as train-labels-idx1-ubyte.gz."
        )
    labels = _read(labels_file, dimensions=(1,))
    if len(labels) != len(pixels):
        raise UsageError(
            f"{shown(file)} holds {len(pixels):,} pictures, and {shown(labels_file)} {len(labels):,} labels."
        )
    if names and len(labels) and labels.max() >= len(names):
        row = int(labels.argmax())
        raise UsageError(
            f"Label {row + 1} of {shown(labels_file)} is {labels[row]}, and {CLASSES} names {len(names)} classes, "
            f"0 to {len(names) - 1}."
        )
    if pixels.ndim == 4 and pixels.shape[3] not in (1, 3, 4):
        raise UsageError(f"{shown(file)} has pictures with {pixels.shape[3]} channels; 1, 3 or 4 come last.")
    which = file.name.casefold()
    part = "train" if "train" in which else "test" if "t10k" in which or "test" in which else ""
    texts = [names[label] if names else str(label) for label in labels]
    return candidates_of(pixels, texts, place=printable(file.name), part=part)


def _labels_of(file: Path) -> Path | None:
    base = re.sub(r"\.gz$", "", re.sub(r"images([-.])idx[34]", r"labels\1idx1", file.name, flags=re.I), flags=re.I)
    return next((path for path in (file.with_name(base), file.with_name(f"{base}.gz")) if path.is_file()), None)


def _read(file: Path, dimensions: tuple[int, ...]) -> np.ndarray:
    """uint8 of the shape that the header tells. No more is held than that shape needs."""
    try:
        with gzip.open(file) if file.name.casefold().endswith(".gz") else file.open("rb") as found:
            stream = cast(BinaryIO, found)
            shape = _shape(file, stream, dimensions)
            data = stream.read(prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:  # gzip's own errors are OSErrors
        raise UsageError(
            f"{shown(file)} cannot be read: {getattr(error, 'strerror', None) or error}. Fetch it again."
        ) from error
    if len(data) != prod(shape):
        sizes = " x ".join(map(str, shape))
        what = f"ends after {len(data):,} of them" if len(data) < prod(shape) else "goes on behind them"
        raise UsageError(f"{shown(file)} tells of {sizes} bytes and {what}. Fetch it again.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _shape(file: Path, stream: BinaryIO, dimensions: tuple[int, ...]) -> tuple[int, ...]:
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0":
        raise UsageError(
            f"{shown(file)} is no IDX file: it begins with {start!r} and not with two zero bytes. Fetch it again, or "
            "give another."
        )
    kind, count = start[2], start[3]
    if kind != _UNSIGNED_BYTES:
        raise UsageError(f"{shown(file)} holds values of type {kind:#04x}; only unsigned bytes, 0x08, are read.")
    if count not in dimensions:
        wanted = " or ".join(map(str, dimensions))
        raise UsageError(f"{shown(file)} has {count} dimensions where {wanted} are meant. Is it the other file?")
    sizes = stream.read(4 * count)
    if len(sizes) < 4 * count:
        raise UsageError(f"{shown(file)} ends within its header. Fetch it again.")
    shape = struct.unpack(f">{count}I", sizes)
    if prod(shape) > MAX_BYTES:
        raise UsageError(f"{shown(file)} tells of {prod(shape) / 2**30:.1f} GiB of pixels; the limit is 2 GiB.")
    return shape
