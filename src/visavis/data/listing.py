"""What a source of images holds, listed without reading one of them: for data that are too many to be looked at twice.

The one idea: `read_dataset` decodes every image to know what can be used before a comparison starts. A million images
that are only to be encoded are decoded once, when they are; until then an image is a place, a way to read it, and a
stamp that changes when it does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from visavis.data.checking import Candidate, Progress, check_samples, printable, read_file
from visavis.data.dataset import Dataset, Sample, Skipped
from visavis.data.folder import is_image, label_and_part, nothing_found, part_folders, walk
from visavis.data.splits import PART_NAMES
from visavis.data.table import as_text, csv_rows, place_below
from visavis.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image that was found, and nothing of it read.

    Attributes:
        place: Where it lies in the data set, in POSIX form; with the bytes it makes the sample's id.
        read: Gives the encoded image; raises what `visavis.data.checking.UNUSABLE` names.
        stamp: Another one once the image has changed: its file's size and time, or its place in an archive and theirs.
        label: The class name, or None.
        labels: As in Sample; so are `captions`, `part` and `group`. Of folders and tables not known here.
    """

    place: str
    read: Callable[[], bytes]
    stamp: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    captions: tuple[str, ...] = ()
    part: str = ""
    group: str = ""


Found: TypeAlias = Entry | Skipped


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A source of images.

    Attributes:
        name: What a person calls it.
        kind: "folder", "table", "tar", "zip", "coco", "datasets", "list" or "embedded".
        source: Its absolute path; of an embedded set its name, of a list on standard input the folder it was given in.
        entries: The images from the given number on, in an order that stays, and what cannot be one with the reason;
            may be asked again and again.
    """

    name: str
    kind: str
    source: str
    entries: Callable[[int], Iterator[Found]]


def read_listing(listing: Listing, progress: Progress | None = None) -> Dataset:
    """What was listed, checked: each image is decoded once, and later read again where it stands.

    Args:
        listing: Whose entries are small enough to be held, unlike the images.
        progress: Called with the images checked so far and their total.
    """
    found = list(listing.entries(0))
    candidates = [
        Candidate(
            place=entry.place,
            read=entry.read,
            label=entry.label,
            labels=entry.labels,
            captions=entry.captions,
            part=entry.part,
            group=entry.group,
        )
        for entry in found
        if isinstance(entry, Entry)
    ]
    samples, unreadable = check_samples(candidates, progress)
    skipped = tuple(entry for entry in found if isinstance(entry, Skipped))
    return Dataset(name=listing.name, samples=samples, skipped=(*skipped, *unreadable))


def list_folder(path: Path) -> Listing:
    """The images below a folder; labels as in `visavis.data.folder`. Those beside the class folders have none.

    Raises:
        UsageError: The folder cannot be opened or holds no file named like an image.
    """
    if not any(isinstance(place, str) and is_image(place) for place in walk(path)):
        raise UsageError(nothing_found(path, [place for place in walk(path) if isinstance(place, str)]))
    root = path.absolute()  # the working folder may be another one where the images are read
    parts = part_folders(_tops(path))

    def entries(start: int) -> Iterator[Found]:
        images = (place for place in walk(root) if isinstance(place, Skipped) or is_image(place))
        for place in islice(images, start, None):
            yield (
                place
                if isinstance(place, Skipped)
                else file_entry(root / place, place, label_and_part(place, parts)[0])
            )

    name = printable(path.resolve().name or "images")
    return Listing(name=name, kind="folder", source=printable(str(path.resolve())), entries=entries)


def _tops(path: Path) -> set[str]:
    """The folders of the root that hold images; no more than one that is named like no part."""
    tops = set()
    for place in walk(path):
        if isinstance(place, str) and "/" in place and is_image(place):
            tops.add(place.split("/")[0])
            if place.split("/")[0].casefold() not in PART_NAMES:
                break
    return tops


def list_table(path: Path) -> Listing:
    """The images that a CSV or Parquet table lists, one a row; labels are optional here.

    Raises:
        UsageError: The table cannot be read, or has neither a column path nor image.
    """
    from visavis.data.parquet_images import parquet_entries

    path = path.absolute()
    stamp = file_stamp(path)
    if path.suffix.lower() == ".parquet":
        entries = parquet_entries(path, stamp)
    else:

        def entries(start: int) -> Iterator[Found]:
            for number, row in enumerate(islice(csv_rows(path, needed=(("path", "image"),)), start, None), start + 1):
                yield row if isinstance(row, Skipped) else row_entry(row, number, path.parent)

    next(entries(0), None)  # a table that is none says so now
    return Listing(name=printable(path.stem), kind="table", source=printable(str(path.resolve())), entries=entries)


def row_entry(row: Mapping[str, Any], number: int, folder: Path) -> Found:
    """What a row without an image in it says: the path of a file, relative to the table's folder, and its label."""
    place = as_text(row.get("path") or row.get("image"))
    if not place:
        return Skipped(name=f"row {number}", reason="no path")
    return file_entry(folder / place, place_below(place, folder), row_label(row))


def row_label(row: Mapping[str, Any]) -> str | None:
    """A row's label in Unicode's composed form, or None."""
    return unicodedata.normalize("NFC", as_text(row.get("label"))) or None


def list_samples(name: str, samples: tuple[Sample, ...]) -> Listing:
    """Images that are held already, such as the embedded emoji."""

    def entries(start: int) -> Iterator[Found]:
        for sample in samples[start:]:
            yield Entry(place=sample.name, read=sample.read_bytes, stamp=sample.id, label=sample.label)

    return Listing(name=name, kind="embedded", source=name, entries=entries)


def file_entry(path: Path, place: str, label: str | None = None, **known: Any) -> Entry:
    """An image in a file of its own; `known` are further fields of the entry."""
    return Entry(place=place, read=lambda: read_file(path), stamp=file_stamp(path), label=label, **known)


def file_stamp(path: Path) -> str:
    """A file's size and time of change; of one that is not there a dash."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return "-"
    return f"{status.st_size}-{status.st_mtime_ns}"
