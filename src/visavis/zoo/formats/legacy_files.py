"""What `torch.save` wrote before torch 1.6, and still does where asked: five pickles, then raw numbers.

The pickles are a magic number, a protocol version, facts about the machine, the object, and the keys of the storages.
Each storage is its count in 8 bytes and its numbers, little-endian on every machine.
Source: torch 2.13, torch/serialization.py, _legacy_save.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from visavis.zoo.formats.contents import Contents, UnreadableError
from visavis.zoo.formats.pickles import Persistent, read_pickle
from visavis.zoo.formats.storages import Allowance, MappedFile, build_tensor, view_of
from visavis.zoo.formats.torch_records import STORAGE_DTYPES, TensorRecord, outline, storage_parts

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

# Bytes of a number in storages that hold no weights: they are skipped.
_OTHER_SIZES = {"ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1}
_OTHER_SIZES |= {"QInt32Storage": 4, "UntypedStorage": 1}


def read_legacy_file(path: Path) -> Contents:
    """Reads the entries of a file of torch's old format; its numbers are copied when they are used.

    Raises:
        UnreadableError: The file is damaged or hostile, or a pickle of something else.
    """
    with path.open("rb") as file:
        if read_pickle(file) != MAGIC:
            raise UnreadableError(
                "is a pickle, but not one that torch.save wrote",
                "Where you trust it, load it with Python and save the weights as safetensors.",
            )
        if read_pickle(file) != PROTOCOL:
            raise UnreadableError(
                "is of an unknown version of torch's old format", "Save it again with a recent torch."
            )
        read_pickle(file)  # sizes of C's types on the machine that wrote it
        outside: list[Persistent] = []
        storages = _Storages(path)
        tree = outline(read_pickle(file, outside), storages.build)
        storages.locate(file, read_pickle(file), _sizes(outside))
    return Contents(container="torch-legacy", tree=tree)


def _sizes(outside: list[Persistent]) -> dict[str, tuple[int, int]]:
    """Count and bytes of a number for each storage that the object mentions."""
    sizes: dict[str, tuple[int, int]] = {}
    for mention in outside:
        if isinstance(mention.identity, tuple) and mention.identity[:1] == ("module",):
            continue  # a class with its source, in a file that holds a whole network
        kind, key, numel, _ = storage_parts(mention)
        itemsize = STORAGE_DTYPES[kind].itemsize if kind in STORAGE_DTYPES else _OTHER_SIZES.get(kind)
        if itemsize is None:
            raise UnreadableError(f"holds numbers of an unknown kind ({kind[:40]!r})")
        sizes[key] = (numel, itemsize)
    return sizes


class _Storages:
    """Where each storage lies in the file."""

    def __init__(self, path: Path) -> None:
        self.mapped = MappedFile(path)
        self.allowance = Allowance(self.mapped.size)
        self.spans: dict[str, tuple[int, int]] = {}
        self.opened: dict[str, torch.UntypedStorage] = {}

    def locate(self, file: BinaryIO, keys: object, sizes: dict[str, tuple[int, int]]) -> None:
        """Finds the storages one after the other, from where the file stands."""
        if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
            raise UnreadableError("is damaged: the list of its storages makes no sense")
        place = file.tell()
        for key in map(str, keys):
            if key not in sizes:
                raise UnreadableError(f"is damaged: nothing says what storage {key[:40]!r} is for")
            numel, itemsize = sizes[key]
            file.seek(place)
            if int.from_bytes(file.read(8), "little") != numel:
                raise UnreadableError(f"is damaged or cut short: storage {key[:40]!r} is not where it should be")
            place += 8
            self.spans[key] = (place, numel * itemsize)
            place += numel * itemsize
            if place > self.mapped.size:
                raise UnreadableError(f"is cut short: it has {self.mapped.size} bytes where {place} are needed")

    def build(self, record: TensorRecord) -> Tensor:
        reference = record.storage
        if reference.key not in self.opened:
            if reference.key not in self.spans:
                raise UnreadableError(f"is damaged: the numbers of storage {reference.key[:40]!r} are missing")
            self.opened[reference.key] = self.mapped.part(*self.spans[reference.key], reference.dtype.itemsize)
        return build_tensor(view_of(self.opened[reference.key], reference), record, self.allowance)
