"""One door for every source of images: a folder, a table, arrays, an archive, or the name of a data set.

Each reader is one file, and a line in `_READERS`, or in `visavis.data.inside` where images stand inside other files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from visavis.data.checking import Progress, printable
from visavis.data.dataset import Dataset
from visavis.data.folder import IMAGE_SUFFIXES, read_folder
from visavis.data.hub_datasets import PREFIX
from visavis.data.idx import idx_files, is_idx, read_idx
from visavis.data.inside import list_inside
from visavis.data.listing import read_listing
from visavis.data.numpy_arrays import read_npz
from visavis.data.table import read_table
from visavis.errors import UsageError, VisavisError, did_you_mean

_TABLES = (".csv", ".tsv", ".parquet")
_FORMS = (
    "Give a folder with one folder of images for each class, a CSV or Parquet file with the columns path and label, "
    "WebDataset .tar files, a .zip of a folder, COCO's .json, IDX files, a NumPy .npz, a folder of Hugging Face's "
    "save_to_disk, hf:NAME, or the name of an embedded set such as emoji."
)


def read_dataset(source: str | Path, progress: Progress | None = None) -> Dataset:
    """The images of a source, checked.

    Args:
        source: A path; a pattern or range of tar files; "hf:" and a name of Hugging Face's; or an embedded set's
            name ("emoji"; a folder of that name is "./emoji").
        progress: Called with the images checked so far and their total.

    Raises:
        UsageError: There is no such source, or it holds no images.
        VisavisError: It holds images and none can be read.
    """
    from visavis.data.emoji import TASKS, read_emoji

    if source in TASKS:
        return read_emoji(str(source))
    if not str(source):
        raise UsageError(f"The data path is empty. {_FORMS}")
    path = Path(source)
    mode = None if str(source).startswith(PREFIX) else _mode(path)
    if (inside := list_inside(str(source))) is not None:
        return _some(read_listing(inside, progress))
    if mode is None:
        if str(source).startswith("emoji") and path.name == str(source):
            return read_emoji(str(source))
        raise UsageError(_missing(path, embedded=tuple(TASKS)))
    for claims, read in _READERS:
        if claims(path):
            return _some(read(path, progress))
    raise UsageError(_unsuitable(path))


def _some(dataset: Dataset) -> Dataset:
    if not dataset.samples:
        raise VisavisError(_nothing_left(dataset))
    return dataset


def require_several_classes(dataset: Dataset) -> None:
    """Naming one of an image's classes needs two to choose from. Raises UsageError where there are fewer."""
    found = sorted({name for sample in dataset.samples for name in sample.labels or ()})
    if len(found) < 2:
        only = f"only the class {found[0]!r}" if found else "no class"
        raise UsageError(f"The {len(dataset.samples)} images of {dataset.name!r} have {only}; two classes are needed.")


def require_classes(dataset: Dataset) -> None:
    """Accuracy needs labels, two classes and two images to test on. To be called once the parts are known.

    Raises:
        UsageError: One of them is missing.
    """
    classes = dataset.classes
    n_images = len(dataset.samples)
    if not classes:
        raise UsageError(
            f"None of the {n_images} images of {dataset.name!r} has a label, and accuracy needs them. "
            "Put the images into one folder for each class, or fill the table's column label; with a column caption "
            "images and texts are asked to find each other."
        )
    if len(classes) == 1:
        raise UsageError(
            f"All labelled images of {dataset.name!r} are of one class, {classes[0]!r}, so any answer is right. "
            "At least two are needed; in a folder of images each class is a folder of its own."
        )
    grouped = any(sample.group for sample in dataset.samples)
    n_test = sum(sample.part == "test" and sample.label is not None for sample in dataset.samples)
    if n_test < 2:
        raise UsageError(
            f"{dataset.name!r} leaves {n_test} of its {n_images} images ({len(classes)} classes) for testing, and at "
            "least 2 are needed. A class is divided from two different images on; add images to the classes."
            + (" Groups are never parted, so a class needs two of them, or name the parts." if grouped else "")
        )


def _mode(path: Path) -> int | None:
    """The file type bits, or None where there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        return None
    except OSError as error:
        raise UsageError(f"The data path {printable(str(path))!r} cannot be opened: {error.strerror}.") from error


def _is_idx(path: Path) -> bool:
    if path.is_file():
        return is_idx(path)
    try:
        return path.is_dir() and bool(idx_files(path))
    except OSError:  # the reader of folders says why
        return False


_READERS: tuple[tuple[Callable[[Path], bool], Callable[[Path, Progress | None], Dataset]], ...] = (
    (_is_idx, read_idx),
    (Path.is_dir, read_folder),
    (lambda path: path.is_file() and path.suffix.lower() == ".npz", read_npz),
    (lambda path: path.is_file() and path.suffix.lower() in _TABLES, read_table),
)


def _missing(path: Path, embedded: tuple[str, ...]) -> str:
    try:
        beside = [printable(name) for name in os.listdir(path.parent) if not name.startswith(".")]
    except (OSError, ValueError):
        beside = []
    near = did_you_mean(printable(path.name), sorted(beside) + [n for n in embedded if path.name == str(path)])
    return f"There is no data path {printable(str(path))!r}. {near or _FORMS}"


def _unsuitable(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        what = "is a single image"
    elif suffix in (".gz", ".tgz", ".7z", ".rar"):
        what = "is an archive, which has to be unpacked first"
    else:
        what = "is none of the forms that are read"
    return f"The data path {printable(str(path))!r} {what}. {_FORMS}"


def _nothing_left(dataset: Dataset, limit: int = 3) -> str:
    reasons = "; ".join(f"{skipped.name!r} is {skipped.reason}" for skipped in dataset.skipped[:limit])
    n_more = len(dataset.skipped) - limit
    more = f"; and {n_more} more" if n_more > 0 else ""
    return f"No image of {dataset.name!r} could be read: {reasons}{more}."
