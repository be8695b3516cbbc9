"""NumPy archives (.npz): pictures and labels as arrays, in parts or not. No pickle is opened.

images, labels[, groups]             also x and y; groups say what belongs together
x_train, y_train, x_test, y_test     the parts; images_train, labels_train, ... too
classes                              names for integer labels, from 0 on

Format: numpy.lib.format; the header is checked against the archive's own sizes before memory is taken.
"""

from __future__ import annotations

import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from visavis.data.arrays import MAX_BYTES, candidates_of
from visavis.data.checking import Candidate, Progress, check_samples, printable, shown
from visavis.data.dataset import Dataset
from visavis.errors import UsageError

_IMAGES, _LABELS = ("images", "x"), ("labels", "y")
_PARTS = {"": "", "_train": "train", "_test": "test"}


def read_npz(path: Path, progress: Progress | None = None) -> Dataset:
    """The pictures of an .npz archive.

    Args:
        path: The archive.
        progress: Called with the images checked so far and their total.

    Raises:
        UsageError: It is damaged, too large, holds objects, or lacks an array; or the arrays do not fit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _Arrays(path, archive)
            found = [
                _candidates(arrays, ending, part) for ending, part in _PARTS.items() if arrays.has(_IMAGES, ending)
            ]
            if not found:
                raise UsageError(
                    f"{shown(path)} holds the arrays {', '.join(arrays.names) or 'none'}, and no images. Name them "
                    "images and labels, or x_train, y_train, x_test and y_test."
                )
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UsageError(f"{shown(path)} cannot be read as .npz: {error}. Save it again with numpy.savez.") from error
    samples, skipped = check_samples([candidate for part in found for candidate in part], progress)
    return Dataset(name=printable(path.stem), samples=samples, skipped=skipped)


class _Arrays:
    """The arrays of an archive, each read when it is asked for."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self.names = {
            one.filename.removesuffix(".npy"): one for one in archive.infolist() if one.filename.endswith(".npy")
        }

    def name(self, names: tuple[str, ...], ending: str) -> str | None:
        return next((name + ending for name in names if name + ending in self.names), None)

    def has(self, names: tuple[str, ...], ending: str) -> bool:
        return self.name(names, ending) is not None

    def read(self, names: tuple[str, ...], ending: str = "") -> np.ndarray:
        """Raises UsageError where it is missing, too large, or holds what is neither numbers nor text."""
        name = self.name(names, ending)
        if name is None:
            raise UsageError(f"{shown(self.path)} has no array {names[0]}{ending}; it has {', '.join(self.names)}.")
        info = self.names[name]
        with self.archive.open(info) as file:
            self._check(name, file, info.file_size)
        with self.archive.open(info) as file:
            try:
                return np.lib.format.read_array(file, allow_pickle=False)
            except ValueError as error:
                raise UsageError(
                    f"The array {name} of {shown(self.path)} is damaged: {error}. Save it again."
                ) from error

    def _check(self, name: str, file: IO[bytes], size: int) -> None:
        where = f"The array {name} of {shown(self.path)}"
        try:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
        except ValueError as error:
            raise UsageError(f"{where} has no header of NumPy's: {error}.") from error
        if dtype.hasobject:
            raise UsageError(f"{where} holds Python objects, which are not opened. Save numbers or texts.")
        if prod(shape) * dtype.itemsize > MAX_BYTES:
            raise UsageError(f"{where} tells of {prod(shape) * dtype.itemsize / 2**30:.1f} GiB; the limit is 2 GiB.")
        if prod(shape) * dtype.itemsize != size - file.tell():
            raise UsageError(f"{where} tells of {prod(shape) * dtype.itemsize:,} bytes and has {size - file.tell():,}.")


def _candidates(arrays: _Arrays, ending: str, part: str) -> list[Candidate]:
    where = f"of {shown(arrays.path)}"
    pixels = arrays.read(_IMAGES, ending)
    if pixels.dtype != np.uint8:
        raise UsageError(
            f"The images {where} are {pixels.dtype}, not uint8. Bring them to 0 to 255, such as by "
            "(255 * x).round().astype('uint8')."
        )
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in (1, 3, 4)):
        raise UsageError(
            f"The images {where} have the shape {pixels.shape}. It is [images, height, width], or with 1, 3 or 4 "
            "channels last."
        )
    labels = arrays.read(_LABELS, ending).reshape(-1)
    if len(labels) != len(pixels):
        raise UsageError(
            f"The archive {shown(arrays.path)} holds {len(pixels):,} images and {len(labels):,} labels{ending}."
        )
    groups = [str(group) for group in arrays.read(("groups",), ending)] if arrays.has(("groups",), ending) else []
    return candidates_of(
        pixels, _named(arrays, labels), place=f"images{ending}", part=part, groups=groups
    )  # fmt: skip


def _named(arrays: _Arrays, labels: np.ndarray) -> list[str]:
    if not arrays.has(("classes",), ""):
        return [str(label) for label in labels.tolist()]
    classes = [str(name) for name in arrays.read(("classes",))]
    for row, label in enumerate(labels.tolist()):
        if not isinstance(label, int) or not 0 <= label < len(classes):
            raise UsageError(
                f"Label {row + 1} of {shown(arrays.path)} is {label!r}, and its array classes names {len(classes)}, "
                f"0 to {len(classes) - 1}."
            )
    return [classes[label] for label in labels.tolist()]
