"""Data sets of Hugging Face's library `datasets` as its `save_to_disk` leaves them, read without that library.

one/ state.json  dataset_info.json  data-00000-of-00001.arrow ...    one split
two/ dataset_dict.json  train/...  test/...                          several, which are the parts

The one idea: Arrow files are mapped, not read; of the images no more than one at a time is copied out. The features say
which column is what: the image is the one of type Image, its label the one of type ClassLabel (`label` where there are
several, else the one with most classes), several classes an image a list of these; captions are the columns caption,
captions and text, groups the column group.

Format: datasets 5.2, Dataset.save_to_disk and Features.to_dict; Arrow's IPC streaming format.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from visavis.data.checking import printable, read_file, shown
from visavis.data.dataset import Skipped
from visavis.data.decoding import UnreadableImage
from visavis.data.listing import Entry, Found, Listing, file_stamp
from visavis.data.splits import PART_NAMES, parts_by_name
from visavis.data.table import as_text, one_line
from visavis.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Columns: TypeAlias = dict[str, tuple[str, tuple[str, ...]]]  # what is wanted -> its column, and its classes' names

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_CAPTIONS = ("caption", "captions", "text")


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split of a data set.

    Attributes:
        name: As the data set calls it; "" where there is but one.
        table: Its rows.
        features: What each column is, as `Features.to_dict()` says it.
        folder: What paths of images are relative to.
        stamp: Another one once the rows have changed.
    """

    name: str
    table: pa.Table
    features: Mapping[str, Any]
    folder: Path
    stamp: str


def is_saved(path: Path) -> bool:
    """Whether a folder is one that `save_to_disk` wrote."""
    return (path / SPLITS).is_file() or ((path / STATE).is_file() and (path / INFO).is_file())


def list_saved(path: Path) -> Listing:
    """The images of a data set that `save_to_disk` wrote.

    Raises:
        UsageError: A file is missing or damaged, or there is no column of images.
    """
    path = path.absolute()
    if (path / SPLITS).is_file():
        names = _json(path / SPLITS).get("splits")
        if not isinstance(names, list) or not all(isinstance(name, str) and _is_plain(name) for name in names):
            raise UsageError(f"{shown(path / SPLITS)} does not list the splits' names. Save the data set again.")
        splits = [_open(path / name, name) for name in names]
    else:
        splits = [_open(path, "")]
    return list_splits(printable(path.resolve().name), printable(str(path.resolve())), splits)


def list_splits(name: str, source: str, splits: Sequence[Split]) -> Listing:
    """The images of opened splits, one after the other. Raises UsageError where one has no column of images."""
    known = {split.name for split in splits if split.name.casefold() in PART_NAMES}
    parts = parts_by_name(known)
    columns = [_columns(split, source) for split in splits]

    def entries(start: int) -> Iterator[Found]:
        rows = (
            _entry(split, column, row, number, parts.get(split.name, ""))
            for split, column in zip(splits, columns, strict=True)
            for number, row in enumerate(_rows(split, column))
        )
        return islice(rows, start, None)

    return Listing(name=name, kind="datasets", source=source, entries=entries)


def _open(folder: Path, name: str) -> Split:
    """A split's Arrow files, mapped."""
    import pyarrow as pa

    listed = _json(folder / STATE).get("_data_files")
    files = [row.get("filename") for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    if not files or not all(isinstance(file, str) and _is_plain(file) for file in files):
        raise UsageError(f"{shown(folder / STATE)} does not list the files of the data set. Save the data set again.")
    features = _json(folder / INFO).get("features")
    if not isinstance(features, dict):
        raise UsageError(f"{shown(folder / INFO)} does not say what the columns are. Save the data set again.")
    tables = []
    for file in map(str, files):
        try:
            # the map stays open as long as the table is in use
            tables.append(pa.ipc.open_stream(pa.memory_map(str(folder / file))).read_all())
            tables[-1].validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise UsageError(
                f"{shown(folder / file)} cannot be read as Arrow: {one_line(error)}. Save the data set again."
            ) from error
    if any(table.schema != tables[0].schema for table in tables):
        raise UsageError(f"The Arrow files in {shown(folder)} differ in their columns. Save the data set again.")
    stamp = "/".join(file_stamp(folder / str(file)) for file in files)
    return Split(name=name, table=pa.concat_tables(tables), features=features, folder=folder, stamp=stamp)


def _is_plain(name: str) -> bool:
    """Whether a name stands for something in the folder itself."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0")


def _json(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(read_file(path))
    except (OSError, UnreadableImage, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown(path)} cannot be read as JSON: {reason}. Save the data set again.") from error
    if not isinstance(said, dict):
        raise UsageError(f"{shown(path)} holds a {type(said).__name__}, not an object. Save the data set again.")
    return said


def _columns(split: Split, source: str) -> Columns:
    import pyarrow as pa

    found = {name: feature for name, feature in split.features.items() if name in split.table.column_names}
    images = [name for name, feature in found.items() if _type(feature) == "Image"]
    if not images:
        listed = ", ".join(f"{printable(name)!r} ({_type(feature) or 'a list'})" for name, feature in found.items())
        raise UsageError(f"The data set {source!r} has no column of type Image; its columns are {listed or 'none'}.")
    if not pa.types.is_struct(split.table.schema.field(images[0]).type):
        raise UsageError(
            f"The column {images[0]!r} of {source!r} holds no images, though its type is said to be Image."
        )
    columns: Columns = {"image": (images[0], ())}
    for wanted, kinds in (("label", found), ("labels", {name: _item(feature) for name, feature in found.items()})):
        classes = {name: _class_names(feature) for name, feature in kinds.items() if _type(feature) == "ClassLabel"}
        if classes:
            best = wanted if wanted in classes else max(classes, key=lambda name: len(classes[name]))
            columns[wanted] = (best, classes[best])
    if "label" in columns:
        columns.pop("labels", None)
    elif "label" in found and "labels" not in columns:
        columns["label"] = ("label", ())
    return columns | {name: (name, ()) for name in (*_CAPTIONS, "group") if name in found}


def _type(feature: Any) -> str:
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _item(feature: Any) -> Any:
    """What a list's items are; the library has written lists in three ways."""
    if isinstance(feature, list):
        return feature[0] if feature else None
    return feature.get("feature") if _type(feature) in ("List", "LargeList", "Sequence") else None


def _class_names(feature: Any) -> tuple[str, ...]:
    names = feature.get("names")
    return tuple(unicodedata.normalize("NFC", str(name)) for name in names) if isinstance(names, list) else ()


def _rows(split: Split, columns: Columns) -> Iterator[dict[str, Any]]:
    """Each row but for its image."""
    names = {wanted: name for wanted, (name, _) in columns.items() if wanted != "image"}
    if not names:
        yield from ({} for _ in range(split.table.num_rows))
        return
    for batch in split.table.select(list(dict.fromkeys(names.values()))).to_batches(max_chunksize=1024):
        for row in batch.to_pylist():
            yield {wanted: row[name] for wanted, name in names.items()}


def _entry(split: Split, columns: Columns, row: Mapping[str, Any], number: int, part: str) -> Found:
    place = f"{split.name}/{number:06d}" if split.name else f"{number:06d}"
    label, labels = row.get("label"), row.get("labels")
    if isinstance(label, list | dict | bytes) or not isinstance(labels, list | None):
        wrong = label if labels is None else labels
        return Skipped(name=printable(place), reason=f"the label is of type {type(wrong).__name__}")
    several = None if labels is None else {_named(value, columns["labels"][1]) for value in labels} - {""}
    texts = [row.get(name) for name in _CAPTIONS]
    captions = (as_text(text) for value in texts for text in (value if isinstance(value, list) else [value]))
    return Entry(
        place=place,
        read=partial(_image, split.table.column(columns["image"][0]), number, split.folder),
        stamp=f"{split.stamp}-{number}",
        label=_named(label, columns["label"][1]) or None if "label" in columns else None,
        labels=None if several is None else tuple(sorted(several)),
        captions=tuple(dict.fromkeys(text for text in captions if text)),
        part=part,
        group=as_text(row.get("group")),
    )


def _named(value: Any, names: tuple[str, ...]) -> str:
    """A class's name; the library writes -1 where the class is not known."""
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""
    return unicodedata.normalize("NFC", as_text(value))


def _image(column: pa.ChunkedArray, number: int, folder: Path) -> bytes:
    value = column[number].as_py() or {}
    data, path = value.get("bytes"), value.get("path")
    if data is None and isinstance(path, str) and path:
        return read_file(folder / path)
    if not isinstance(data, bytes):
        raise UnreadableImage("no image" if data is None else f"of type {type(data).__name__}, not bytes")
    return data
