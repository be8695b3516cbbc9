"""Bytes of a file as torch tensors: mapped, not copied, and never looked at beyond what the file holds."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from visavis.zoo.formats.contents import UnreadableError
from visavis.zoo.formats.torch_records import StorageRef, TensorRecord


class MappedFile:
    """A file's bytes as torch storages. Pages are read when they are used; writing to a tensor changes no file.

    Raises:
        UnreadableError: The system refuses to map the file.
    """

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size
        try:
            self._bytes = torch.UntypedStorage.from_file(str(path), False, self.size)
        except (RuntimeError, UnicodeEncodeError) as error:
            raise UnreadableError(
                f"cannot be mapped into memory ({error})", "Rename it or free some memory."
            ) from error

    def part(self, start: int, nbytes: int, itemsize: int = 1) -> torch.UntypedStorage:
        """A part of the file, copied only where its numbers are not aligned as processors demand.

        Raises:
            UnreadableError: It lies outside the file.
        """
        if not 0 <= start <= start + nbytes <= self.size:
            raise UnreadableError(f"is cut short: it has {self.size} bytes where {start + nbytes} are needed")
        if not nbytes:
            return torch.UntypedStorage(0, device="cpu")
        part = self._bytes[start : start + nbytes]
        return part.clone() if part.data_ptr() % itemsize else part


class Allowance:
    """How much memory the tensors of a file may take once they are copied.

    Tensors may share a storage, or repeat it by a stride of 0: so a small file can claim terabytes.
    """

    def __init__(self, file_size: int) -> None:
        self.left = 8 * file_size + (64 << 20)

    def take(self, nbytes: int) -> None:
        """Raises UnreadableError where the tensors claim far more than the file holds."""
        self.left -= nbytes
        if self.left < 0:
            raise UnreadableError("is hostile or damaged: its tensors claim many times the bytes that it holds")


def as_bytes(storage: torch.UntypedStorage) -> memoryview:
    """The bytes of a storage, not copied."""
    return torch.empty(0, dtype=torch.uint8, device="cpu").set_(storage).numpy().data


def swapped(storage: torch.UntypedStorage, itemsize: int) -> torch.UntypedStorage:
    """A copy in the other order of bytes."""
    numbers = torch.empty(0, dtype=torch.uint8, device="cpu").set_(storage).reshape(-1, itemsize)
    return numbers.flip(1).contiguous().untyped_storage()


def build_tensor(storage: torch.UntypedStorage, record: TensorRecord, allowance: Allowance) -> Tensor:
    """The view of a storage that a record describes.

    Raises:
        UnreadableError: It reaches beyond the storage, or claims more than the file's allowance.
    """
    dtype = record.storage.dtype
    allowance.take(math.prod(record.size) * dtype.itemsize)
    reach = 0
    if 0 not in record.size:
        last = sum((size - 1) * stride for size, stride in zip(record.size, record.stride, strict=True))
        reach = record.offset + last + 1
    if reach * dtype.itemsize > storage.nbytes() or math.prod(max(1, size) for size in record.size) >= 1 << 62:
        raise UnreadableError(f"is damaged: a tensor of size {record.size} reaches beyond its storage")
    offset = record.offset if reach else 0
    return torch.empty(0, dtype=dtype, device="cpu").set_(storage, offset, record.size, record.stride)


def view_of(storage: torch.UntypedStorage, reference: StorageRef) -> torch.UntypedStorage:
    """The part of a legacy file's storage that a tensor means.

    Raises:
        UnreadableError: It reaches beyond the storage.
    """
    if reference.view is None:
        return storage
    start, numel = (number * reference.dtype.itemsize for number in reference.view)
    if start + numel > storage.nbytes():
        raise UnreadableError("is damaged: a part of a storage reaches beyond it")
    return storage[start : start + numel] if numel else torch.UntypedStorage(0, device="cpu")
