"""From a row of embeddings back to its image, where that still lies where it was."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PIL import Image

from visavis.data.checking import UNUSABLE, printable, read_file
from visavis.data.dataset import sample_id
from visavis.data.decoding import UnreadableImage, decode_image
from visavis.data.find_listing import find_listing
from visavis.data.listing import Entry
from visavis.errors import UsageError

SIDE = 256  # pixels of a thumbnail's longer side


def read_originals(source: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, bytes]:
    """The encoded images of some names; those that are gone or have changed are left out.

    Args:
        source: "kind" and "path" from the embeddings' metadata.
        wanted: The id of each name.
    """
    path = Path(source["path"])
    folder = {"folder": path, "list": path, "table": path.parent}.get(source["kind"])
    found = {}
    if folder is not None:
        for name, known in wanted.items():
            data = _same_bytes(partial(read_file, folder / name), name, known)
            if data is not None:
                found[name] = data
    missing = wanted.keys() - found.keys()
    if missing and source["kind"] in ("table", "tar", "embedded"):
        found |= _from_listing(source["path"], {name: wanted[name] for name in missing})
    return found


def _from_listing(source: str, wanted: dict[str, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        for entry in find_listing(source).entries(0):
            if len(found) == len(wanted):
                break
            name = printable(entry.place) if isinstance(entry, Entry) else ""
            if isinstance(entry, Entry) and name in wanted:
                data = _same_bytes(entry.read, entry.place, wanted[name])
                if data is not None:
                    found[name] = data
    except UsageError:  # the source is gone
        pass
    return found


def _same_bytes(read: Callable[[], bytes], place: str, known: str) -> bytes | None:
    """An image's bytes, or None where they are gone or are no longer those that were embedded."""
    try:
        data = read()
    except UNUSABLE:
        return None
    return data if sample_id(data, place) == known else None


def thumbnail(data: bytes | None) -> bytes:
    """A small JPEG of an encoded image; nothing where there is none."""
    if data is None:
        return b""
    try:
        picture = decode_image(data, at_least=SIDE)
    except UnreadableImage:
        return b""
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()
