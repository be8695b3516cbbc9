"""The directory of a zip archive, checked before a byte of its members is used.

Python's `zipfile` trusts more than a file from elsewhere deserves: members may overlap, and sizes are believed until
memory is full. Here everything is bounded by the size of the file. Nothing is ever extracted, so a member's name may be
anything. Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (end).
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from visavis.zoo.formats.contents import UnreadableError

MAX_MEMBERS = 100_000  # OpenAI's largest archive has 2,000
MAX_DIRECTORY_BYTES = 32 << 20
STORED, DEFLATED = 0, 8  # methods of compression

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: encrypted, strongly encrypted, with a hidden directory


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file in the archive.

    Attributes:
        name: As the archive spells it.
        method: How it is compressed: `STORED`, `DEFLATED`, or what no reader here takes.
        crc: CRC-32 of the content; 0 where the writer computed none.
        size: Bytes of the content.
        packed_size: Bytes in the archive.
        start: Where these begin in the archive.
    """

    name: str
    method: int
    crc: int
    size: int
    packed_size: int
    start: int


@dataclass(frozen=True, kw_only=True)
class _End:
    """The record at the archive's end: where the directory lies."""

    n_members: int
    size: int
    start: int


def read_directory(file: BinaryIO) -> dict[str, Member]:
    """The members by name, in the order of the directory.

    Raises:
        UnreadableError: The archive is cut short, encrypted or split over disks, or its members overlap, share a name,
            or lie outside it.
    """
    size = file.seek(0, 2)
    end = _find_end(file, size)
    if end.start + end.size > size or end.n_members > MAX_MEMBERS or end.size > MAX_DIRECTORY_BYTES:
        raise UnreadableError(
            f"is a zip archive of {size} bytes whose directory claims {end.n_members} members, "
            f"listed in {end.size} bytes from {end.start}"
        )
    file.seek(end.start)
    members: dict[str, Member] = {}
    spans: list[tuple[int, int]] = []
    for member, header_start in _located(file, file.read(end.size), end):
        if member.name in members:
            raise UnreadableError(f"is a zip archive with two members named {member.name[:100]!r}")
        members[member.name] = member
        spans.append((header_start, member.start + member.packed_size))
    spans.sort()
    spans.append((end.start, end.start))
    for (_, stop), (start, _) in itertools.pairwise(spans):
        if stop > start:
            raise UnreadableError("is a zip archive whose members overlap each other or its directory")
    return members


def read_member(file: BinaryIO, member: Member, limit: int) -> bytes:
    """A member's content, unpacked into no more memory than it claims.

    Raises:
        UnreadableError: It is larger than `limit` bytes, compressed in an unusual way, or not what its checksum says.
    """
    if member.size > limit:
        raise UnreadableError(f"holds {member.name[:100]!r} of {member.size} bytes; at most {limit} are taken for that")
    file.seek(member.start)
    content = file.read(member.packed_size)
    if member.method == DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(content, member.size + 1)
        except zlib.error as error:
            raise UnreadableError(f"is damaged: {member.name[:100]!r} does not unpack ({error})") from error
    elif member.method != STORED:
        raise UnreadableError(f"holds {member.name[:100]!r} packed with zip's method {member.method}")
    if len(content) != member.size:
        raise UnreadableError(f"is damaged: {member.name[:100]!r} is not of the {member.size} bytes that it claims")
    check_sum(member, content)
    return content


def check_sum(member: Member, content: bytes | bytearray | memoryview) -> None:
    """Raises UnreadableError where bits have changed since the member was written."""
    # torch writes 0 where its option to compute none was chosen (torch.serialization.set_crc32_options).
    if member.crc and zlib.crc32(content) != member.crc:
        raise UnreadableError(f"is damaged: the checksum of {member.name[:100]!r} does not fit its content")


def _find_end(file: BinaryIO, size: int) -> _End:
    """The last record of the archive; a comment of up to 65,535 bytes may follow, and may hold its signature too."""
    tail_start = max(0, size - _END.size - 0xFFFF)
    file.seek(tail_start)
    tail = file.read(size - tail_start)
    places = [found.start() for found in re.finditer(rb"(?=PK\x05\x06)", tail[: len(tail) - _END.size + 4])]
    if not places:
        raise UnreadableError("is a zip archive without its end: cut short, perhaps by a broken download")
    ending = [place for place in places if place + _END.size + _END.unpack_from(tail, place)[-1] == len(tail)]
    if not ending:
        raise UnreadableError("is a zip archive with bytes after its end, or without some of them")
    place = ending[-1]
    _, disk, directory_disk, here, n_members, directory_size, start, _ = _END.unpack_from(tail, place)
    end = _End(n_members=n_members, size=directory_size, start=start)
    if disk in (0, 0xFFFF) and directory_disk in (0, 0xFFFF):
        saturated = 0xFFFF in (n_members, here) or 0xFFFFFFFF in (directory_size, start)
        return _find_end64(file, tail_start + place) if saturated else end
    raise UnreadableError("is one part of a zip archive split over several disks", "Join the parts first.")


def _find_end64(file: BinaryIO, end_start: int) -> _End:
    """The same for archives with offsets of 64 bits."""
    locator_start = end_start - _END64_LOCATOR.size
    locator = _read_struct(file, locator_start, _END64_LOCATOR, b"PK\x06\x07")
    _, disk, record_start, n_disks = locator
    if disk or n_disks > 1:
        raise UnreadableError("is one part of a zip archive split over several disks", "Join the parts first.")
    record = _read_struct(file, record_start, _END64, b"PK\x06\x06")
    *_, n_members, directory_size, start = record
    return _End(n_members=n_members, size=directory_size, start=start)


def _located(file: BinaryIO, directory: bytes, end: _End) -> Iterator[tuple[Member, int]]:
    """Each member of the directory with the place of its local header."""
    place = 0
    for _ in range(end.n_members):
        if directory[place : place + 4] != b"PK\x01\x02" or place + _CENTRAL.size > len(directory):
            raise UnreadableError("is a zip archive with a damaged directory")
        fields = _CENTRAL.unpack_from(directory, place)
        flags, method, crc = fields[3], fields[4], fields[7]
        if flags & _ENCRYPTED:
            raise UnreadableError("is an encrypted zip archive", "Decrypt it first.")
        name_length, extra_length, comment_length, disk = fields[10:14]
        name_start = place + _CENTRAL.size
        extra_start = name_start + name_length
        name = directory[name_start:extra_start]
        place = extra_start + extra_length + comment_length
        sizes = _widened((fields[9], fields[8], fields[16]), directory[extra_start : extra_start + extra_length])
        size, packed_size, header_start = sizes
        if disk not in (0, 0xFFFF):
            raise UnreadableError("is one part of a zip archive split over several disks", "Join the parts first.")
        start = _content_start(file, header_start, name)
        text = name.decode("utf-8", "replace")
        yield (
            Member(name=text, method=method, crc=crc, size=size, packed_size=packed_size, start=start),
            header_start,
        )


def _widened(narrow: tuple[int, ...], extra: bytes) -> tuple[int, ...]:
    """Size, packed size and offset, each from the field of 64 bits where its own 32 do not suffice."""
    if 0xFFFFFFFF not in narrow:
        return narrow
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        body = extra[place + 4 : place + 4 + length]
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{len(body) // 8}Q", body))
            return tuple(next(wide, value) if value == 0xFFFFFFFF else value for value in narrow)
        place += 4 + length
    return narrow


def _content_start(file: BinaryIO, header_start: int, name: bytes) -> int:
    """Where a member's bytes begin, after its local header."""
    fields = _read_struct(file, header_start, _LOCAL, b"PK\x03\x04")
    name_length, extra_length = fields[-2:]
    if file.read(name_length) != name:
        raise UnreadableError("is a zip archive whose directory and members do not name the same files")
    return header_start + _LOCAL.size + name_length + extra_length


def _read_struct(file: BinaryIO, start: int, layout: struct.Struct, signature: bytes) -> tuple[int, ...]:
    """The fields of one record, whose four letters are checked."""
    if not 0 <= start < 1 << 62:
        raise UnreadableError("is a zip archive with a damaged directory")
    file.seek(start)
    record = file.read(layout.size)
    if len(record) != layout.size or record[:4] != signature:
        raise UnreadableError("is a zip archive with a damaged directory")
    return layout.unpack(record)
