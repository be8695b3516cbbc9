"""COCO's annotations: one JSON file beside a folder of images, with captions of them or the objects in them.

{"images": [{"id": 9, "file_name": "000000000009.jpg"}, ...],
 "annotations": [{"image_id": 9, "caption": "..."} or {"image_id": 9, "category_id": 51}, ...],
 "categories": [{"id": 51, "name": "bowl"}, ...]}

The images lie beside the file, in images/, or in a folder that is called as the end of the file's name, beside it or
beside its folder: annotations/captions_val2017.json and val2017/. Objects make labels: one an image where no image has
objects of two categories, else several; an image without objects then has none of them.

Format: Lin et al. 2014, Microsoft COCO; cocodataset.org, Data format.
"""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from visavis.data.checking import MAX_FILE_BYTES, printable, shown
from visavis.data.dataset import Skipped
from visavis.data.listing import Found, Listing, file_entry
from visavis.errors import UsageError

Key: TypeAlias = int | str  # of an image or a category

LOOKED_AT = 20  # images, to find the folder that they lie in


def list_coco(path: Path) -> Listing:
    """The images of COCO's annotations, in the order in which the file lists them.

    Raises:
        UsageError: The file is no JSON of this form, or no folder holds its images.
    """
    said = _read(path)
    images = {_key(path, row, "id"): _text(path, row, "file_name") for row in _rows(path, said, "images")}
    if not images:
        raise UsageError(f"The annotations {shown(path)} list no images.")
    captions: dict[Key, list[str]] = defaultdict(list)
    categories: dict[Key, set[str]] = defaultdict(set)
    names = {_key(path, row, "id"): _text(path, row, "name") for row in _rows(path, said, "categories", optional=True)}
    for row in _rows(path, said, "annotations"):
        image = _known(path, row, "image_id", images)
        if "caption" in row[1]:
            captions[image].append(_text(path, row, "caption"))
        else:
            categories[image].add(names[_known(path, row, "category_id", names)])
    folder = _folder_of(path.absolute(), list(images.values()))
    several = any(len(found) > 1 for found in categories.values())

    def entries(start: int) -> Iterator[Found]:
        for image, place in islice(images.items(), start, None):
            found = tuple(sorted(categories[image])) if image in categories else ()
            label = found[0] if found and not several else None
            labels = found if several else None
            yield _entry(
                folder, place, label=label, labels=labels, captions=tuple(dict.fromkeys(captions.get(image, ())))
            )

    return Listing(name=printable(path.stem), kind="coco", source=printable(str(path.resolve())), entries=entries)


def _entry(folder: Path, place: str, **known: Any) -> Found:
    parts = PurePosixPath(place).parts
    if place.startswith("/") or ".." in parts or "\0" in place:
        return Skipped(name=printable(place), reason="named as a place outside the folder of images")
    return file_entry(folder / place, place, **known)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"The annotations {shown(path)} are larger than 1 GiB, which is too much to hold.")
        said = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"The annotations {shown(path)} cannot be opened: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # also what is no UTF-8
        raise UsageError(f"The annotations {shown(path)} are no JSON: {error}. Fetch or make them again.") from error
    if not isinstance(said, dict):
        raise UsageError(
            f"The annotations {shown(path)} are a {type(said).__name__}, not an object with images. {_FORM}"
        )
    return said


_FORM = (
    "COCO's form is an object with the lists images (id, file_name), annotations (image_id, and caption or "
    "category_id) and, for objects, categories (id, name)."
)

Row: TypeAlias = tuple[str, Mapping[str, Any]]  # where it stands, "annotations[12]", and what it says


def _rows(path: Path, said: Mapping[str, Any], name: str, optional: bool = False) -> Iterator[Row]:
    found = said.get(name, [] if optional else None)
    if not isinstance(found, list):
        what = f"is a {type(found).__name__}, not a list" if name in said else "is missing"
        keys = ", ".join(repr(key[:40]) for key in list(said)[:10]) or "nothing"
        raise UsageError(f"In the annotations {shown(path)} {name} {what}; it holds {keys}. {_FORM}")
    for number, row in enumerate(found):
        if not isinstance(row, dict):
            raise UsageError(f"In the annotations {shown(path)} {name}[{number}] is a {type(row).__name__}. {_FORM}")
        yield f"{name}[{number}]", row


def _key(path: Path, row: Row, field: str) -> Key:
    value = _field(path, row, field)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UsageError(f"{_where(path, row, field)} is {str(value)[:40]!r}, neither a whole number nor a text.")
    return value


def _text(path: Path, row: Row, field: str) -> str:
    value = _field(path, row, field)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{_where(path, row, field)} is {str(value)[:40]!r}, not a text.")
    return unicodedata.normalize("NFC", value.strip()) if field == "name" else value.strip()


def _known(path: Path, row: Row, field: str, among: Mapping[Key, str]) -> Key:
    value = _key(path, row, field)
    if value not in among:
        where = {"image_id": "images", "category_id": "categories"}[field]
        raise UsageError(
            f"{_where(path, row, field)} is {str(value)[:40]!r}, which none of the {len(among)} {where} has."
        )
    return value


def _field(path: Path, row: Row, field: str) -> Any:
    if field not in row[1]:
        raise UsageError(f"{_where(path, row, field)} is missing. {_FORM}")
    return row[1][field]


def _where(path: Path, row: Row, field: str) -> str:
    return f"In the annotations {shown(path)} {row[0]}.{field}"


def _folder_of(path: Path, places: list[str]) -> Path:
    """The first of the usual folders in which one of the first images lies."""
    split = path.stem.rpartition("_")[2]
    beside, above = path.parent, path.parent.parent
    folders = (beside, beside / "images", beside / split, above / split, above / "images", above / "images" / split)
    for folder in folders:
        if any((folder / place).is_file() for place in places[:LOOKED_AT] if "\0" not in place):
            return folder
    looked = ", ".join(shown(folder) for folder in folders)
    raise UsageError(
        f"The images of the annotations {shown(path)}, such as {printable(places[0])!r}, lie in none of the usual "
        f"folders: {looked}. Move or link them into one of these."
    )
