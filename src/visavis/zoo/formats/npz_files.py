"""numpy's `.npz`: a zip archive of arrays, as big_vision and vision_transformer publish their weights.

Each member is a short text that says type, order and shape, then raw numbers. Arrays of Python objects would be pickles
and are refused. Source: numpy, numpy/lib/format.py, versions 1.0 to 3.0 of the format.
"""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from visavis.zoo.formats.archives import DEFLATED, STORED, Member, check_sum, read_directory, read_member
from visavis.zoo.formats.contents import Contents, Tree, UnreadableError
from visavis.zoo.formats.storages import MappedFile, as_bytes, swapped

MAX_EXPANSION = 64  # bytes of a tensor per byte of a compressed file; zeros alone shrink a thousandfold

_MAGIC = b"\x93NUMPY"
_DTYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
    "V2": torch.bfloat16,  # numpy has none: JAX's arrays are written as two bytes without a meaning
}
_MAX_HEADER = 10_000  # numpy's own limit
_MAX_DIMENSIONS = 64  # numpy's own limit


class _Header(NamedTuple):
    dtype: torch.dtype
    big_endian: bool
    column_major: bool
    shape: tuple[int, ...]
    length: int  # bytes before the numbers


def is_npz(path: Path) -> bool:
    """Whether a zip archive holds arrays alone.

    Raises:
        UnreadableError: The archive is damaged.
    """
    with path.open("rb") as file:
        members = read_directory(file)
    return bool(members) and all(name.endswith(".npy") for name in members)


def read_npz_file(path: Path) -> Contents:
    """Reads the entries of an `.npz` file; uncompressed arrays stay in the file until they are used.

    Raises:
        UnreadableError: The file is damaged or hostile, or holds arrays of objects.
    """
    with path.open("rb") as file:
        members = read_directory(file)
    mapped = MappedFile(path)
    claimed = sum(member.size for member in members.values())
    if claimed > MAX_EXPANSION * mapped.size:
        raise UnreadableError(f"claims {claimed} bytes of arrays in a file of {mapped.size}: a bomb, or damaged")
    tree: Tree = {}
    for name, member in members.items():
        tree[name.removesuffix(".npy")] = partial(_read_array, path, mapped, member)
    return Contents(container="npz", tree=tree)


def _read_array(path: Path, mapped: MappedFile, member: Member) -> Tensor:
    if member.method == STORED and member.size == member.packed_size:
        content = mapped.part(member.start, member.size)
        check_sum(member, as_bytes(content))
        header = _read_header(member, bytes(as_bytes(content)[: _MAX_HEADER + 12]))
        nbytes = _check_size(member, header)
        numbers = mapped.part(member.start + header.length, nbytes, header.dtype.itemsize)
    elif member.method == DEFLATED:
        with path.open("rb") as file:
            unpacked = bytearray(read_member(file, member, member.size))
        header = _read_header(member, bytes(unpacked[: _MAX_HEADER + 12]))
        _check_size(member, header)
        del unpacked[: header.length]
        numbers = torch.frombuffer(unpacked, dtype=torch.uint8).untyped_storage() if unpacked else _nothing()
    else:
        raise UnreadableError(f"holds {member.name[:100]!r} packed with zip's method {member.method}")
    if header.big_endian and header.dtype.itemsize > 1:
        numbers = swapped(numbers, header.dtype.itemsize)
    array = torch.empty(0, dtype=header.dtype, device="cpu").set_(numbers)
    if header.column_major:
        return array.reshape(header.shape[::-1]).permute(*range(len(header.shape) - 1, -1, -1))
    return array.reshape(header.shape)


def _nothing() -> torch.UntypedStorage:
    return torch.UntypedStorage(0, device="cpu")


def _read_header(member: Member, head: bytes) -> _Header:
    """What an array says of itself. The text is searched, not evaluated.

    Raises:
        UnreadableError: It is no array, or one of something else than plain numbers.
    """
    name = member.name[:100]
    version = head[6:7]
    width = 2 if version == b"\x01" else 4
    length = 8 + width + int.from_bytes(head[8 : 8 + width], "little")
    if not head.startswith(_MAGIC) or version not in (b"\x01", b"\x02", b"\x03") or length > len(head):
        raise UnreadableError(f"holds {name!r}, which is no array of numpy")
    text = head[8 + width : length].decode("latin-1")
    kind = re.search(r"'descr'\s*:\s*'([<>|=]?)([a-zA-Z]\d*)'", text)
    order = re.search(r"'fortran_order'\s*:\s*(True|False)", text)
    shape = re.search(r"'shape'\s*:\s*\(([\d\s,L]{0,1000})\)", text)
    if kind is None or order is None or shape is None or kind[2] not in _DTYPES:
        found = "Python objects, which only running a pickle would give" if kind and kind[2] == "O" else text[:80]
        raise UnreadableError(f"holds {name!r}, which is no array of plain numbers ({found})")
    sizes = tuple(int(number) for number in re.findall(r"\d{1,19}", shape[1]))
    return _Header(_DTYPES[kind[2]], kind[1] == ">", order[1] == "True", sizes, length)


def _check_size(member: Member, header: _Header) -> int:
    """Bytes of the numbers, if they are all there."""
    nbytes = math.prod(header.shape) * header.dtype.itemsize
    sane = len(header.shape) <= _MAX_DIMENSIONS and math.prod(max(1, size) for size in header.shape) < 1 << 62
    if header.length + nbytes != member.size or not sane:
        raise UnreadableError(f"is damaged: {member.name[:100]!r} claims an array that does not fit its bytes")
    return nbytes
