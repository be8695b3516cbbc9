"""A list of paths, as `find` prints it: one a line, or between NUL bytes where there are any (`find -print0`)."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from visavis.data.checking import printable
from visavis.data.listing import Found, Listing, file_entry
from visavis.errors import UsageError

BLOCK = 2**20  # bytes


def list_paths(stream: BinaryIO) -> Listing:
    """The images that a list names; paths are relative to the working folder, blank lines count for nothing.

    The list is kept in a temporary file, as it is gone through more than once and may not fit into memory.

    Raises:
        UsageError: It is empty.
    """
    kept, folder = _Kept(stream), os.getcwd()
    separator = b"\0" if b"\0" in kept.read(0) else b"\n"

    def entries(start: int) -> Iterator[Found]:
        for path in islice(_names(kept, separator), start, None):
            yield file_entry(Path(folder, path), path)

    if next(_names(kept, separator), None) is None:
        raise UsageError(
            "The list of images on standard input is empty. Give one path a line, as `find photos -name '*.jpg'` does."
        )
    return Listing(name="standard input", kind="list", source=printable(folder), entries=entries)


def _names(kept: _Kept, separator: bytes) -> Iterator[str]:
    """The paths, as the file system takes them."""
    place, rest = 0, b""
    while True:
        block = kept.read(place)
        place += len(block)
        *whole, rest = (rest + block).split(separator)
        for name in whole if block else [rest]:
            if name.strip():
                yield os.fsdecode(name.rstrip(b"\r") if separator == b"\n" else name)
        if not block:
            return


class _Kept:
    """A stream's bytes in a temporary file without a name, for readers that each have a place of their own."""

    def __init__(self, stream: BinaryIO) -> None:
        self._number, path = tempfile.mkstemp(prefix="visavis-list-")
        os.unlink(path)
        while block := stream.read(BLOCK):
            while block:
                block = block[os.write(self._number, block) :]

    def read(self, place: int) -> bytes:
        return os.pread(self._number, BLOCK, place)

    def __reduce__(self) -> tuple[type[_Kept], tuple[io.BytesIO]]:
        """In another process it is a file there."""
        return _Kept, (io.BytesIO(os.pread(self._number, os.fstat(self._number).st_size, 0)),)

    def __del__(self) -> None:
        os.close(self._number)
