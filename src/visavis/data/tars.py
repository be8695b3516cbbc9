"""WebDataset: images in tar files, beside each its label, under one name with other endings.

    000.jpg  000.cls  000.txt  001.jpg  001.json ...

The one idea: headers alone are read while listing, and of a member no more than its own bytes, where they stand.
Nothing is unpacked, no link is followed, no length is believed beyond a limit: a tar from a stranger costs at most
what its images cost. Labels: a member .cls (a number or a name), else "label", "class" or "cls" of a .json; numbers
become the names that a classes.txt beside the shards gives them. Captions: a member .txt, and "caption" or "captions"
of the .json; several classes, its "labels". Parts: the shard's name, train-000.tar and val-000.tar, or the folder's
where shards lie in several.

Format: POSIX.1-2001 "pax" and its ancestor ustar, with GNU's long names; sizes above 8 GiB in base 256.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from visavis.data.checking import MAX_FILE_BYTES, printable
from visavis.data.class_names import CLASSES, class_named, read_class_names
from visavis.data.dataset import Skipped
from visavis.data.decoding import UnreadableImage
from visavis.data.folder import is_image
from visavis.data.listing import Entry, Found, Listing, file_stamp
from visavis.data.splits import PART_NAMES, parts_by_name
from visavis.errors import UsageError

BLOCK = 512
MAX_NAME = 2**16  # bytes of a long name or of extended headers
MAX_SIDE = 2**20  # bytes of a label
MAX_GROUP = 64  # members of one sample
_LONG_NAME, _EXTENDED, _GLOBAL, _LONG_LINK = b"L", b"x", b"g", b"K"
_PLAIN = (b"0", b"\0", b"7")
_LINKS = (b"1", b"2")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
MAX_SHARDS = 1_000_000


class DamagedTar(Exception):  # noqa: N818  # said in the report, as a reason
    """What stands there is no header; the message says where."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a tar: its name, where its bytes start, how many they are, and what it is if no plain file."""

    name: str
    offset: int
    size: int
    is_link: bool = False
    is_sparse: bool = False


def find_tars(text: str) -> list[Path]:
    """The tar files that a path, a pattern (shard-*.tar) or a range (shard-{000..127}.tar) names, in order of names.

    Raises:
        UsageError: There is none.
    """
    if os.path.isdir(text):
        return tars_in(Path(text))
    if os.path.exists(text):
        return [Path(text)]
    paths = [name for pattern in _expanded(text) for name in (glob.glob(pattern) or [pattern])]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise UsageError(f"There is no tar file {printable(missing[0])!r}. Give its path, a pattern or a range.")
    return sorted(map(Path, paths))


def tars_in(folder: Path) -> list[Path]:
    """The tar files in a folder, or else in its folders train, val, ...; empty where there is none."""
    direct = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".tar")
    parts = sorted(path for path in folder.iterdir() if path.name.casefold() in PART_NAMES and path.is_dir())
    return direct or [path for part in parts for path in sorted(part.iterdir()) if path.suffix.lower() == ".tar"]


def _expanded(text: str) -> list[str]:
    """Each {000..127} replaced by its numbers."""
    found = _BRACES.search(text)
    if not found:
        return [text]
    first, last = int(found[1]), int(found[2])
    if last - first >= MAX_SHARDS:
        raise UsageError(f"The range {found[0]} names {last - first + 1} files; at most {MAX_SHARDS} can be given.")
    numbers = (str(number).zfill(len(found[1])) for number in range(first, last + 1))
    return [name for number in numbers for name in _expanded(text[: found.start()] + number + text[found.end() :])]


def list_tars(paths: Sequence[Path]) -> Listing:
    """The images in tar files, in the order in which they stand there."""
    whole = [path.resolve() for path in paths]
    parts = _parts(whole)
    names = {folder: read_class_names(folder / CLASSES) for folder in {path.parent for path in whole}}

    def entries(start: int) -> Iterator[Found]:
        return islice((_used(entry, parts[p], names[p.parent]) for p in whole for entry in _entries(p)), start, None)

    source = str(whole[0]) if len(whole) == 1 else os.path.join(whole[0].parent, "*.tar")
    return Listing(name=printable(whole[0].stem), kind="tar", source=printable(source), entries=entries)


def _parts(paths: Sequence[Path]) -> dict[Path, str]:
    """What each shard is for: a word of its name, else its folder's name where there are several folders."""
    several = len({path.parent for path in paths}) > 1
    named = {}
    for path in paths:
        words = [*re.split(r"[^a-z]+", path.stem.casefold()), path.parent.name.casefold() if several else ""]
        named[path] = next((word for word in words if word in PART_NAMES), "")
    return {path: ({"": ""} | parts_by_name(set(named.values()) - {""}))[name] for path, name in named.items()}


def _used(found: Found, part: str, class_names: Sequence[str]) -> Found:
    if isinstance(found, Skipped):
        return found
    several = None if found.labels is None else [class_named(label, class_names) for label in found.labels]
    labels = None if several is None else tuple(sorted(set(filter(None, several))))
    return replace(found, part=part, label=class_named(found.label, class_names), labels=labels)


def _entries(path: Path) -> Iterator[Found]:
    """The images of one tar; where it is damaged, what stands before that and a reason."""
    name = printable(path.name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            yield Skipped(name=name, reason="not a plain file")
            return
        with path.open("rb") as file:
            stamp = file_stamp(path)
            group: list[Member] = []
            for member in read_members(file):
                if group and (_key(member.name) != _key(group[0].name) or len(group) == MAX_GROUP):
                    yield from _images(file, path, stamp, group)
                    group = []
                group.append(member)
            yield from _images(file, path, stamp, group)
    except DamagedTar as error:
        if group:
            with path.open("rb") as file:
                yield from _images(file, path, stamp, group)
        yield Skipped(name=name, reason=str(error))
    except OSError as error:
        yield Skipped(name=name, reason=f"cannot be opened: {error.strerror or error}")


def _key(name: str) -> str:
    """What the members of a sample share: all up to the first dot of the file's name."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _images(file: BinaryIO, path: Path, stamp: str, group: list[Member]) -> Iterator[Found]:
    images = [
        member for member in group if is_image(member.name) and not member.name.rpartition("/")[2].startswith(".")
    ]
    said = _said(file, group) if images else {}
    for member in images:
        place = f"{path.name}/{member.name}"
        if member.is_link or member.is_sparse:
            reason = "a link, which is not followed" if member.is_link else "a sparse file, which is not read"
            yield Skipped(name=printable(place), reason=reason)
        else:
            read = partial(_read, path, member.offset, member.size)
            yield Entry(place=place, read=read, stamp=f"{stamp}-{member.offset}-{member.size}", **said)


def _read(path: Path, offset: int, size: int) -> bytes:
    if size > MAX_FILE_BYTES:
        raise UnreadableImage(f"too large: {size / 2**30:.1f} GiB, the limit is 1 GiB")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _said(file: BinaryIO, group: list[Member]) -> dict[str, Any]:
    """The sample's label or labels, captions and group, by these names; what cannot be read is left out."""
    texts: dict[str, str] = {}
    place = file.tell()
    for member in group:
        ending = member.name.rpartition(".")[2].lower()
        if ending in ("cls", "json", "txt") and member.size <= MAX_SIDE and not (member.is_link or member.is_sparse):
            file.seek(member.offset)
            texts[ending] = file.read(member.size).decode("utf-8", "replace").strip()
    file.seek(place)
    record = _record(texts.get("json", ""))
    several, classes = record.get("captions"), record.get("labels")
    captions = (texts.get("txt", ""), record.get("caption"), *(several if isinstance(several, list) else ()))
    label = texts.get("cls") or next((_plain(record[key]) for key in ("label", "class", "cls") if key in record), "")
    labels = tuple(unicodedata.normalize("NFC", _plain(one)) for one in classes) if isinstance(classes, list) else None
    return {
        "label": None if labels is not None else unicodedata.normalize("NFC", label) or None,
        "labels": labels,
        "captions": tuple(dict.fromkeys(text for text in map(_plain, captions) if text)),
        "group": _plain(record.get("group")),
    }


def _record(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _plain(value: Any) -> str:
    """Text or a whole number as text, anything else as none."""
    return str(value).strip() if isinstance(value, str | int) else ""


def read_members(file: BinaryIO) -> Iterator[Member]:
    """The plain files and links in a tar, in order; of their contents nothing is read.

    Raises:
        DamagedTar: A header that is none, or a member that reaches beyond the end.
    """
    end = file.seek(0, os.SEEK_END)
    place = 0
    said: dict[str, Any] = {}  # what long names and extended headers say of the next member
    while place < end:
        file.seek(place)
        header = file.read(BLOCK)
        if not header.strip(b"\0"):
            return  # blocks of zeros end a tar
        if len(header) < BLOCK or not _sums_up(header):
            raise DamagedTar(f"no tar header at byte {place:,}; what stands behind it is not read")
        kind, size = header[156:157], said.get("size", _number(header[124:136], place))
        start = place + BLOCK
        place = start + -(-size // BLOCK) * BLOCK
        if start + size > end:
            raise DamagedTar(f"truncated: a member at byte {start:,} has {size:,} bytes, and the file ends before")
        if kind in (_LONG_NAME, _EXTENDED):
            if size > MAX_NAME:
                raise DamagedTar(f"a name of {size:,} bytes at byte {start:,}; what stands behind it is not read")
            content = file.read(size)
            said |= {"name": content.rstrip(b"\0")} if kind == _LONG_NAME else _extended(content, start)
        elif kind in (_GLOBAL, _LONG_LINK):
            continue
        else:
            if kind in (*_PLAIN, *_LINKS, b"S"):
                name = os.fsdecode(said.get("name", _name(header)))
                sparse = kind == b"S" or "sparse" in said
                yield Member(name=name, offset=start, size=size, is_link=kind in _LINKS, is_sparse=sparse)
            said = {}


def _sums_up(header: bytes) -> bool:
    """Whether the header's checksum is right; old writers took the bytes as signed."""
    try:
        stated = int(header[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    rest = header[:148] + b" " * 8 + header[156:]
    return stated in (sum(rest), sum(byte - 256 if byte > 127 else byte for byte in rest))


def _number(field: bytes, place: int) -> int:
    """Octal digits, or base 256 where the first bit says so."""
    try:
        value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        value = -1
    if value < 0:
        raise DamagedTar(f"a size that is no number at byte {place + 124:,}; what stands behind it is not read")
    return value


def _name(header: bytes) -> bytes:
    name, prefix = header[:100].partition(b"\0")[0], header[345:500].partition(b"\0")[0]
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _extended(content: bytes, place: int) -> dict[str, Any]:
    """What matters of pax records, each its length, a blank, KEY=VALUE and a line's end."""
    said: dict[str, Any] = {}
    while content:
        length, blank, _ = content.partition(b" ")
        ends = blank and length.isdigit() and content[int(length) - 1 : int(length)] == b"\n"
        if not ends or int(length) <= len(length) + 1:
            raise DamagedTar(f"an extended header that is none at byte {place:,}; what stands behind it is not read")
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        content = content[int(length) :]
        if key == b"path":
            said["name"] = value
        elif key == b"size" and value.isdigit():
            said["size"] = int(value)
        elif key.startswith(b"GNU.sparse"):
            said["sparse"] = True
    return said
