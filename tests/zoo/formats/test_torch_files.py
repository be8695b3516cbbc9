"""Torch archives: TorchScript's hints, and archives that claim what they do not hold."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from visavis.errors import VisavisError
from visavis.zoo.formats.tensor_file import read_tensor_file


class QuickGELU(nn.Module):
    """As OpenAI's CLIP has it."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * torch.sigmoid(1.702 * inputs)


class Sized(nn.Module):
    """A network with a number among its attributes, as OpenAI's archives have their resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.resolution = 224
        self.inner = nn.Linear(3, 4)
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs)


@pytest.mark.parametrize("traced", [True, False], ids=["traced", "scripted"])
@pytest.mark.parametrize("half", [True, False], ids=["half", "float"])
@pytest.mark.parametrize(
    ("activation", "hints"),
    [
        (QuickGELU, {"activation": "quickgelu"}),
        (nn.GELU, {"activation": "gelu"}),
        (nn.ReLU, {}),
    ],
)
def test_torchscript(activation: type[nn.Module], hints: dict, half: bool, traced: bool, script: Callable) -> None:
    network = nn.Sequential(nn.Linear(3, 4), activation(), nn.BatchNorm1d(4)).eval()
    network = network.half() if half else network
    path = script(network, torch.ones(1, 3, dtype=torch.float16 if half else torch.float32) if traced else None)
    found = read_tensor_file(path)
    assert found.container == "torchscript"
    assert found.hints == hints
    assert found.ignored == ()
    state = network.state_dict()
    assert set(found.tensors) == set(state)
    assert all(torch.equal(found.tensors[name], state[name]) for name in state)
    assert {found.tensors["0.weight"].dtype} == {torch.float16 if half else torch.float32}


def test_numbers_of_torchscript_are_no_tensors(script: Callable) -> None:
    found = read_tensor_file(script(Sized()))
    assert set(found.tensors) == {"inner.weight", "inner.bias", "input_resolution"}
    assert found.tensors["input_resolution"].item() == 224
    assert found.ignored == ("resolution",)


def refused(path: Path) -> str:
    with pytest.raises(VisavisError) as raised:
        read_tensor_file(path)
    return str(raised.value)


def test_a_claim_of_terabytes(tmp_path: Path, rewrite: Callable) -> None:
    for size, stride in (
        ((1 << 40,), (1,)),
        ((1 << 20, 1 << 20), (0, 0)),
        ((1 << 61, 4), (0, 0)),
        ((0, 1 << 62), (1, 1)),
    ):
        tensor = torch.zeros(2)
        torch.save({"a": tensor}, tmp_path / "a.pt")
        rewrite(tmp_path / "a.pt", **{"data.pkl": record_of(size, stride, numel=2)})
        assert "damaged" in refused(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((-1,), (1,), 0),
        ((2,), (-1,), 1),
        ((2,), (1,), -1),
        ((2,), (1, 1), 0),
        ((2,), (1,), 1),
        ((True,), (1,), 0),
        ((1,), (9,), 2),
    ],
)
def test_a_view_beyond_its_storage(size: tuple, stride: tuple, offset: int, tmp_path: Path, rewrite: Callable) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    rewrite(tmp_path / "a.pt", **{"data.pkl": record_of(size, stride, offset=offset, numel=2)})
    assert "damaged" in refused(tmp_path / "a.pt")
    rewrite(tmp_path / "a.pt", **{"data.pkl": record_of((2,), (1,), numel=2)})
    assert torch.equal(read_tensor_file(tmp_path / "a.pt").tensors["a"], torch.zeros(2))


def test_a_storage_of_another_size_than_claimed(tmp_path: Path, rewrite: Callable) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    for numel in (1, 3, 1 << 60):
        rewrite(tmp_path / "a.pt", **{"data.pkl": record_of((1,), (1,), numel=numel)})
        assert f"has 8 bytes, but its tensors need {4 * numel}" in refused(tmp_path / "a.pt")
    rewrite(tmp_path / "a.pt", **{"data.pkl": record_of((1,), (1,), numel=2, key="7")})
    assert "numbers of storage 'data/7' are missing" in refused(tmp_path / "a.pt")


def record_of(size: tuple, stride: tuple, *, offset: int = 0, numel: int, key: str = "0") -> bytes:
    """The pickle of `{"a": tensor}`."""

    class Storage:
        def __reduce__(self) -> str:
            return "FloatStorage"

    Storage.__module__ = "torch"
    with io.BytesIO() as file:
        pickler = pickle.Pickler(file, protocol=2)
        pickler.dump(("storage", "KIND", key, "cpu", numel))
        identity = file.getvalue()[2:-1].replace(b"X\x04\x00\x00\x00KIND", b"ctorch\nFloatStorage\n")
    layout = b"".join(pickle.dumps(part, protocol=2)[2:-1] for part in (offset, size, stride))
    return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + identity + b"Q" + layout + b"\x89NtRs."


def test_changed_bits_are_noticed(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights, tmp_path / "a.pt")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    place = content.index(weights["weight"].numpy().tobytes())
    content[place + 5] ^= 4
    (tmp_path / "a.pt").write_bytes(content)
    assert "checksum of 'a/data/0' does not fit" in refused(tmp_path / "a.pt")


def test_compressed_numbers_are_refused(tmp_path: Path, rewrite: Callable) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "a.pt")
    rewrite(tmp_path / "a.pt", packing=zipfile.ZIP_DEFLATED)
    assert "compressed, which torch never writes" in refused(tmp_path / "a.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_every_cut_is_noticed(zipped: bool, tmp_path: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "a.pt").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "cut.pt").write_bytes(content[:length])
        refused(tmp_path / "cut.pt")


def test_legacy_parts_of_storages(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    torch.save({"a": base}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "a.pt").read_bytes()
    key = next(iter(content.split(b"FloatStorage\nq\x04X")[1:]))  # of the storage, as torch made it up
    length = struct.unpack("<I", key[:4])[0]
    start = content.index(b"FloatStorage\nq\x04X") + len(b"FloatStorage\nq\x04X") + 4 + length
    none = content.index(b"Nt", start)  # no part: all of it
    for part, expected in (((2, 3), base[2:5]), ((4, 3), None), ((-1, 2), None)):
        view = pickle.dumps(("v", *part), protocol=2)[2:-1].replace(b"q\x00", b"").replace(b"q\x01", b"")
        size = pickle.dumps((part[1],), protocol=2)[2:-1].replace(b"q\x00", b"")
        changed = content[:none] + view + content[none + 1 :].replace(b"K\x06\x85", size, 1)
        (tmp_path / "part.pt").write_bytes(changed)
        if expected is None:
            assert "part of a storage" in refused(tmp_path / "part.pt")
        else:
            assert torch.equal(read_tensor_file(tmp_path / "part.pt").tensors["a"], expected)


def test_archives_and_pickles_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    assert "is a zip archive, but not of weights (it holds 'word/document.xml')" in refused(tmp_path / "a.docx")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": 1}))
    assert "not one that torch.save wrote" in refused(tmp_path / "a.pkl")
    (tmp_path / "storages").write_bytes(b"0")
    with tarfile.open(tmp_path / "old.pt", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(tmp_path / "storages", "storages")
    assert "is a tar archive" in refused(tmp_path / "old.pt")
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "a.pt")
    assert "holds no named tensors" in refused(tmp_path / "a.pt")
