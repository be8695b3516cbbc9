"""Zip archives that lie: every claim of the directory is checked before a byte is used."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.zoo.formats.archives import read_directory, read_member
from visavis.zoo.formats.contents import UnreadableError

LIMIT = 1 << 20


def archive_of(members: dict[str, bytes], packing: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(content: bytes) -> dict[str, bytes]:
    file = io.BytesIO(content)
    return {name: read_member(file, member, LIMIT) for name, member in read_directory(file).items()}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1), st.binary()
    ),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.binary(max_size=40) | st.just(b"PK\x05\x06") | st.just(b"PK\x05\x06" * 9),
)
def test_reads_what_zipfile_writes(members: dict[str, bytes], packing: int, comment: bytes) -> None:
    assert read(archive_of(members, packing, comment)) == members


def test_sizes_of_64_bits() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"abc")
    content = buffer.getvalue()
    narrow = content.index(b"PK\x01\x02")
    sizes = struct.pack("<2HQQ", 1, 16, 3, 3)  # of the content, then in the archive
    entry = bytearray(content[narrow : content.index(b"PK\x05\x06")])
    struct.pack_into("<II", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", entry, 30, len(sizes))
    entry[47:] = sizes
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(entry), narrow)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, narrow + len(entry), 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert read(content[:narrow] + bytes(entry) + end64 + locator + end) == {"a": b"abc"}


def changed(offset: int, layout: str, *values: int, packing: int = zipfile.ZIP_STORED) -> Callable[[], bytes]:
    """An archive of two members with numbers in the first entry of its directory replaced."""

    def make() -> bytes:
        content = bytearray(archive_of({"a": b"12345678" * 8, "b": b"x"}, packing))
        struct.pack_into(layout, content, content.index(b"PK\x01\x02") + offset, *values)
        return bytes(content)

    return make


def at_end(offset: int, layout: str, value: int) -> Callable[[], bytes]:
    def make() -> bytes:
        content = bytearray(archive_of({"a": b"12345678"}))
        struct.pack_into(layout, content, content.index(b"PK\x05\x06") + offset, value)
        return bytes(content)

    return make


def twice() -> bytes:
    """Two members of one name, which zipfile itself would warn of."""
    return archive_of({"a": b"1", "b": b"2"}).replace(b"b", b"a")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (changed(8, "<H", 1), "encrypted"),
        (changed(10, "<H", 14), "method 14"),
        (changed(16, "<I", 5), "checksum"),
        (changed(20, "<II", 60, 60), "checksum"),
        (changed(20, "<II", 70, 70), "overlap"),
        (changed(20, "<I", 0x7FFFFFFF), "overlap"),
        (changed(24, "<I", 63), "not of the 63 bytes"),
        (changed(24, "<I", 0x7FFFFFFF), "at most 1048576 are taken"),
        (changed(24, "<I", 1 << 19, packing=zipfile.ZIP_DEFLATED), "not of the 524288 bytes"),
        (changed(24, "<I", 10, packing=zipfile.ZIP_DEFLATED), "not of the 10 bytes"),
        (changed(34, "<H", 1), "several disks"),
        (changed(42, "<I", 1), "damaged directory"),
        (changed(42, "<I", 0x7FFFFFFF), "damaged directory"),
        (at_end(4, "<H", 1), "several disks"),
        (at_end(10, "<H", 2), "damaged directory"),
        (at_end(10, "<H", 0xFFFF), "damaged directory"),
        (at_end(12, "<I", 0x7FFFFFFF), "claims 1 members"),
        (at_end(16, "<I", 0x7FFFFFFF), "claims 1 members"),
        (at_end(20, "<H", 3), "without some of them"),
        (twice, "two members named 'a'"),
        (lambda: archive_of({"a": b"1"}).replace(b"a", b"b", 1), "same files"),
        (lambda: archive_of({"a": b"1"})[:-30], "without its end"),
    ],
)
def test_lies_are_refused(make: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read(make())


def test_a_bomb_is_unpacked_no_further_than_it_claims() -> None:
    content = bytearray(archive_of({"a": bytes(1 << 26)}, zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 1 << 10)
    with pytest.raises(UnreadableError, match="not of the 1024 bytes"):
        read(bytes(content))
