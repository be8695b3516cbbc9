"""A folder of images inside a zip archive, and never unpacked: labels by its folders, or by a table that lies there.

The one idea: the archive's table of contents is read once; of a member no more than its own bytes, when it is wanted. A
folder that holds everything else, as `zip -r photos.zip photos` leaves it, is passed over. Folders are read by the
rules of `visavis.data.folder`, a table by those of `visavis.data.table`. Nothing is written, no link is followed, and a
member costs no more memory than an image may: members that grow beyond measure, or that share their bytes with others
(a zip bomb's two means), are skipped with the reason, and so are encrypted ones.

Format: PKWARE, APPNOTE.TXT, sections 4.3.7 (local file header) and 4.4.5 (methods: 0 stored, 8 deflated).
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from visavis.data.checking import MAX_FILE_BYTES, Candidate, printable, shown
from visavis.data.dataset import Skipped
from visavis.data.decoding import UnreadableImage
from visavis.data.folder import is_image, label_and_part, nothing_found, part_folders
from visavis.data.listing import Entry, Found, Listing, file_stamp
from visavis.data.splits import PART_NAMES
from visavis.data.table import candidates_of, csv_rows, has_columns
from visavis.errors import UsageError

FREE_BYTES = 2**24  # up to which a member may grow as much as it likes: a plain picture of 5 megapixels
MAX_GROWTH = 200  # of larger ones; photographs grow by a few percent, drawings in BMP by 20 to 100
_HEADER = struct.Struct("<4s22xHH")  # a member's own header: its mark, and the lengths of its name and extra field
_ENCRYPTED = 1


def list_zip(path: Path) -> Listing:
    """The images in a zip archive, in the order of their names.

    Raises:
        UsageError: It is no zip archive, or holds no file named like an image.
    """
    path = path.absolute()  # the working folder may be another one where the images are read
    members = _members(path)
    images = [member for member in members if is_image(member.filename)]
    if not images:
        raise UsageError(nothing_found(path, [member.filename for member in members], what="archive"))
    faults = {member.filename: _fault(member) for member in members}
    faults |= dict.fromkeys(_overlapping(members), "sharing its bytes with another member")
    stamp = file_stamp(path)
    by_folder = _of_folders(images)
    candidates = _of_table(path, members, faults, needed=not any(found.label for found, _ in by_folder)) or by_folder

    def entries(start: int) -> Iterator[Found]:
        for found, member in islice(candidates, start, None):
            if isinstance(found, Skipped):
                yield found
            elif member is None or faults[member.filename]:
                reason = "no such member of the archive" if member is None else faults[member.filename]
                yield Skipped(name=printable(found.place), reason=reason)
            else:
                yield Entry(
                    place=found.place,
                    read=partial(_read, path, member),
                    stamp=f"{stamp}-{member.header_offset}",
                    label=found.label,
                    labels=found.labels,
                    captions=found.captions,
                    part=found.part,
                    group=found.group,
                )

    return Listing(name=printable(path.stem), kind="zip", source=printable(str(path.resolve())), entries=entries)


def _of_folders(images: Sequence[zipfile.ZipInfo]) -> list[tuple[Candidate, zipfile.ZipInfo]]:
    """Each image with what its folders say."""
    places = _below(images)
    parts = part_folders({place.split("/")[0] for place in places if "/" in place})
    found = []
    for member, place in zip(images, places, strict=True):
        label, part = label_and_part(place, parts)
        found.append((Candidate(place=place, label=label, part=part), member))
    return found


def _of_table(
    path: Path, members: Sequence[zipfile.ZipInfo], faults: Mapping[str, str], needed: bool
) -> list[tuple[Candidate | Skipped, zipfile.ZipInfo | None]]:
    """What the archive's uppermost table of images lists, and where it stands; nothing where there is no such table.

    Raises:
        UsageError: It cannot be read; several lie side by side; or it is needed, as folders tell no label, and its
            columns are others.
    """
    tables = [member for member in members if member.filename.casefold().endswith((".csv", ".tsv"))]
    depth = min((member.filename.count("/") for member in tables), default=0)
    uppermost = [member for member in tables if member.filename.count("/") == depth]
    # a place is written as if the archive were a folder
    texts = {path / member.filename: _read_table(path, member, faults) for member in uppermost}
    known = [place for place, text in texts.items() if has_columns(text) or (needed and len(texts) == 1)]
    if len(known) > 1:
        names = ", ".join(printable(place.name) for place in known)
        raise UsageError(f"The archive {shown(path)} holds several tables of images ({names}). Leave the one meant.")
    by_place = {str(path / member.filename): member for member in members}
    found: list[tuple[Candidate | Skipped, zipfile.ZipInfo | None]] = []
    for place in known:
        rows = list(csv_rows(place, data=texts[place]))
        if not rows:
            raise UsageError(f"The table {shown(place)} has no rows. Each image needs one, with its path and label.")
        found += [(row, None) for row in rows if isinstance(row, Skipped)]
        for candidate in candidates_of(place, [row for row in rows if not isinstance(row, Skipped)]):
            file = candidate.path if isinstance(candidate, Candidate) else None
            found.append((candidate, by_place.get(os.path.normpath(file)) if file else None))
    return found


def _read_table(path: Path, member: zipfile.ZipInfo, faults: Mapping[str, str]) -> bytes:
    try:
        if faults[member.filename]:
            raise UnreadableImage(faults[member.filename])
        return _read(path, member)
    except UnreadableImage as error:
        raise UsageError(
            f"The table {shown(path / member.filename)} cannot be read: {error}. It may say what the images are: make "
            "the archive again, with the table whole or without it."
        ) from error


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """The files in the archive but for the hidden ones, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"The archive {shown(path)} cannot be read as a zip: {reason}. Fetch or make it again."
        ) from error
    plain = [member for member in found if not member.is_dir() and not _is_hidden(member.filename)]
    return sorted(plain, key=lambda member: member.filename)


def _is_hidden(name: str) -> bool:
    folders = name.split("/")
    return folders[0] == "__MACOSX" or any(folder.startswith(".") and folder != ".." for folder in folders)


def _below(members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The members' places below the folders that hold them all; train/, val/ and test/ are no such folders."""
    places = [member.filename for member in members]
    while len(tops := {place.partition("/")[0] for place in places}) == 1:
        top = tops.pop()
        if top.casefold() in PART_NAMES or not all("/" in place for place in places):
            break
        places = [place.partition("/")[2] for place in places]
    return places


def _overlapping(members: Sequence[zipfile.ZipInfo]) -> set[str]:
    """The names of members whose bytes begin before another one's end."""
    found, end, owner = set(), 0, ""
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            found |= {member.filename, owner}
        if member.header_offset + _HEADER.size + member.compress_size > end:
            end, owner = member.header_offset + _HEADER.size + member.compress_size, member.filename
    return found


def _fault(member: zipfile.ZipInfo) -> str:
    """Why a member is not read; empty where it is."""
    name, size, packed, method = member.filename, member.file_size, member.compress_size, member.compress_type
    drive = ":" in name.partition("/")[0]
    faults = (
        (
            name.startswith("/") or "\\" in name or drive or ".." in name.split("/"),
            "named as a place outside the archive",
        ),
        (member.flag_bits & _ENCRYPTED, "encrypted"),
        (stat.S_ISLNK(member.external_attr >> 16), "a link, which is not followed"),
        (
            method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
            f"compressed by method {method}; only deflated and stored members are read",
        ),
        (size > MAX_FILE_BYTES, f"too large: {size / 2**30:.1f} GiB, the limit is 1 GiB"),
        (
            size > max(FREE_BYTES, MAX_GROWTH * packed),
            f"growing {size // max(packed, 1):,} times when unpacked, as no image does",
        ),
    )
    return next((reason for is_so, reason in faults if is_so), "")


def _read(path: Path, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes. Raises UnreadableImage where they are not what the table of contents says."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(b"PK\3\4"):
            raise UnreadableImage("damaged: no member of the archive stands there")
        _, n_name, n_extra = _HEADER.unpack(header)
        file.seek(member.header_offset + _HEADER.size + n_name + n_extra)
        data = file.read(member.compress_size)
    if member.compress_type == zipfile.ZIP_DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.file_size + 1)
        except zlib.error as error:
            raise UnreadableImage(f"damaged within the archive ({error})") from error
    if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
        raise UnreadableImage("damaged within the archive: its checksum differs")
    return data
