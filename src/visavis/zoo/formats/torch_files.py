"""What `torch.save` and `torch.jit.save` have written since torch 1.6: a zip archive of a pickle and raw numbers.

The pickle is read as a text and code is never run. Source: torch 2.13, torch/serialization.py and
caffe2/serialize/inline_container.cc: members lie uncompressed under one folder, numbers under `data/KEY`.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from visavis.zoo.formats.archives import STORED, Member, check_sum, read_directory, read_member
from visavis.zoo.formats.contents import Contents, UnreadableError
from visavis.zoo.formats.pickles import MAX_BYTES, Record, read_pickle
from visavis.zoo.formats.storages import Allowance, MappedFile, as_bytes, build_tensor, swapped
from visavis.zoo.formats.torch_records import StorageRef, TensorRecord, find_tensor, outline

MAX_CODE_BYTES = 16 << 20  # of TorchScript's source, unpacked; OpenAI's largest archive has 0.5 MB
QUICK_GELU = 1.702  # x * sigmoid(1.702 x); source: OpenAI, clip/model.py, class QuickGELU


def read_torch_archive(path: Path) -> Contents:
    """Reads the entries of a torch archive; the tensors stay in the file until they are used.

    Raises:
        UnreadableError: The file is damaged, hostile, or a zip archive of something else.
    """
    with path.open("rb") as file:
        archive = _Archive(path, read_directory(file), file)
        scripted = archive.find("constants.pkl") is not None
        tree = outline(archive.read_pickle("data.pkl"), archive.build)
        hints = _read_hints(archive) if scripted else {}
        archive.file = None
    return Contents(container="torchscript" if scripted else "torch", tree=tree, hints=hints)


class _Archive:
    """The members of one torch archive, and the storages among them that have been opened."""

    def __init__(self, path: Path, members: dict[str, Member], file: BinaryIO) -> None:
        self.file: BinaryIO | None = file
        self.members = members
        pickles = [name for name in members if name.count("/") <= 1 and name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise _not_torch(members)
        self.folder = pickles[0].removesuffix("data.pkl")
        self.mapped = MappedFile(path)
        self.allowance = Allowance(self.mapped.size)
        self.storages: dict[tuple[str, str], torch.UntypedStorage] = {}
        order = self.find("byteorder")
        self.big_endian = order is not None and read_member(file, order, limit=64).strip() == b"big"

    def find(self, name: str) -> Member | None:
        return self.members.get(self.folder + name)

    def read_pickle(self, name: str) -> object:
        member = self.find(name)
        assert self.file is not None
        assert member is not None
        _refuse_packed(member)
        return read_pickle(io.BytesIO(read_member(self.file, member, MAX_BYTES)))

    def build(self, record: TensorRecord, folder: str = "data") -> Tensor:
        return build_tensor(self.storage(record.storage, folder), record, self.allowance)

    def storage(self, reference: StorageRef, folder: str) -> torch.UntypedStorage:
        """The numbers under a key, checked against their checksum when they are opened."""
        opened = self.storages.get((folder, reference.key))
        nbytes = reference.numel * reference.dtype.itemsize
        if opened is None:
            opened = self._open(f"{folder}/{reference.key}", nbytes, reference.dtype.itemsize)
            self.storages[folder, reference.key] = opened
        if opened.nbytes() != nbytes:
            raise UnreadableError(f"is damaged: its tensors disagree on the size of storage {reference.key[:40]!r}")
        return opened

    def _open(self, name: str, nbytes: int, itemsize: int) -> torch.UntypedStorage:
        member = self.find(name)
        if member is None and not nbytes:
            return torch.UntypedStorage(0, device="cpu")
        if member is None:
            raise UnreadableError(f"is damaged: the numbers of storage {name[:40]!r} are missing")
        _refuse_packed(member)
        if member.size != nbytes:
            raise UnreadableError(
                f"is damaged: storage {name[:40]!r} has {member.size} bytes, but its tensors need {nbytes}"
            )
        storage = self.mapped.part(member.start, nbytes, itemsize)
        check_sum(member, as_bytes(storage))
        return swapped(storage, itemsize) if self.big_endian and itemsize > 1 else storage


def _refuse_packed(member: Member) -> None:
    if member.method != STORED or member.packed_size != member.size:
        raise UnreadableError(
            f"holds {member.name[:100]!r} compressed, which torch never writes",
            "Unpack the archive and zip it again without compression (zip -0).",
        )


def _not_torch(members: dict[str, Member]) -> UnreadableError:
    """What a zip archive is that torch.save did not write."""
    if any(name.endswith("/model.json") for name in members):
        return UnreadableError(
            "is a TorchScript archive from before torch 1.4",
            "Load it with torch.jit.load in a recent torch and save it.",
        )
    held = ", ".join(repr(name[:40]) for name in list(members)[:4]) or "nothing"
    return UnreadableError(f"is a zip archive, but not of weights (it holds {held})", "Unpack it and give the weights.")


def _read_hints(archive: _Archive) -> dict[str, str]:
    """The activation, as TorchScript's source and constants show it."""
    assert archive.file is not None
    names = [name for name in archive.members if name.startswith(f"{archive.folder}code/") and name.endswith(".py")]
    if sum(archive.members[name].size for name in names) > MAX_CODE_BYTES:
        raise UnreadableError(f"holds more than {MAX_CODE_BYTES} bytes of TorchScript")
    source = b"\n".join(read_member(archive.file, archive.members[name], MAX_CODE_BYTES) for name in names)
    if re.search(rb"\b1\.70(2|3125)\d*\b", source) or any(map(_is_quick, _constants(archive))):
        return {"activation": "quickgelu"}
    return {"activation": "gelu"} if b"torch.gelu(" in source else {}


def _constants(archive: _Archive) -> list[float]:
    """The single numbers among a traced network's constants: 1.702 is one where torch.jit.trace met it."""
    constants = archive.read_pickle("constants.pkl")
    records = (
        [find_tensor(node) for node in constants if isinstance(node, Record)] if isinstance(constants, tuple) else []
    )
    tensors = [archive.build(record, "constants") for record in records if record is not None]
    return [tensor.item() for tensor in tensors if tensor.numel() == 1 and tensor.is_floating_point()]


def _is_quick(number: float) -> bool:
    return math.isclose(number, QUICK_GELU, rel_tol=1e-3)  # in float16 it is 1.7021484375, in bfloat16 1.703125
