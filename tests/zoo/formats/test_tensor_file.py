"""One function for every file: what is no weights file says what it is, and what is one is not copied."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from visavis.errors import VisavisError
from visavis.zoo.formats.tensor_file import read_tensor_file

FUZZ = Path(__file__).parents[2] / "fuzz" / "fuzz_formats.py"


def refused(path: Path) -> str:
    with pytest.raises(VisavisError) as raised:
        read_tensor_file(path)
    message = str(raised.value)
    assert message.startswith(repr(str(path)))
    assert message.endswith(".")
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "is a web page"),
        (b"\n\n <html lang=en>", "is a web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b'{"error": "Repository not found"}', "is JSON"),
        (b"Invalid username or password.", "is a text"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x1f\x8b\x08\0", "gunzip"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"PK\x05\x06" + bytes(18), "empty zip"),
        (b"\x93NUMPY\x01\0", "numpy.savez"),
        (bytes(range(200, 256)), "no kind of weights file"),
        (bytes(1000), "no kind of weights file"),
        (b"\x01", "no kind of weights file"),
    ],
)
def test_something_else(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    assert reason in refused(tmp_path / "model.pt")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_images(kind: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.pth", kind)
    assert "is an image" in refused(tmp_path / "a.pth")


def test_a_file_that_may_not_be_read(
    tmp_path: Path, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(weights, tmp_path / "a.safetensors")

    def forbid(*arguments: object, **keywords: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbid)
    assert "Permission denied" in refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [1 << 50], "data_offsets": [0, 1 << 52]}},
        {"a": {"dtype": "F32", "shape": [1 << 63, 4], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}},
        {"a": {"dtype": "F33", "shape": [2], "data_offsets": [0, 8]}},
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        },
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        [],
    ],
)
def test_headers_of_safetensors_that_lie(header: object, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    refused(tmp_path / "a.safetensors")


def test_a_header_of_terabytes(tmp_path: Path) -> None:
    for length in (1 << 42, (1 << 64) - 1, 99):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + b'{"a": 1}')
        assert "is not a whole safetensors file" in refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "does not fit its bytes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }", "does not fit its bytes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999999999999999), }", "does not fit its bytes"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "Python objects"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "no array of plain numbers"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "no array of plain numbers"),
        ("__import__('os').system('true')", "no array of plain numbers"),
        ("(" * 5000, "no array of plain numbers"),
    ],
)
def test_headers_of_arrays_that_lie(header: str, reason: str, tmp_path: Path) -> None:
    array = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + bytes(8)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", array)
    assert reason in refused(tmp_path / "a.npz")


def test_bombs_of_zeros(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1 << 22, np.float32))
    assert "a bomb, or damaged" in refused(tmp_path / "a.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which file a piece of memory belongs to")
@pytest.mark.parametrize("container", ["safetensors", "torch"])
def test_tensors_are_views_of_the_file(container: str, tmp_path: Path) -> None:
    path = tmp_path / "a.file"
    state = {"a": torch.randn(100, 100), "b": torch.randn(3)}
    if container == "torch":
        torch.save(state, path)
    else:
        save_file(state, path)
    tensors = read_tensor_file(path).tensors
    assert mapped_file(tensors["a"].data_ptr()) == str(path)
    os.unlink(path)
    assert torch.equal(tensors["a"], state["a"])
    tensors["a"] += 1.0  # and may be written to


def mapped_file(address: int) -> str:
    """The file that is mapped where an address lies."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, stop = (int(number, 16) for number in line.split()[0].split("-"))
        if start <= address < stop:
            return line.split(maxsplit=5)[-1]
    raise AssertionError("the address is not mapped")


def test_damaged_files_of_every_kind(tmp_path: Path) -> None:
    called = subprocess.run(
        [sys.executable, FUZZ, "600", "--seed", "7"], capture_output=True, encoding="utf-8", timeout=200, check=False
    )
    assert called.returncode == 0, called.stdout + called.stderr
    assert "600 inputs, seed 7" in called.stdout
    assert "0 failures" in called.stdout


def test_the_fuzzed_files_are_whole_before_they_are_damaged(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("fuzz_formats", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    containers = set()
    for name, content in fuzz.make_files().items():
        (tmp_path / name).write_bytes(content)
        assert fuzz.read_input(tmp_path / name) == "read"
        containers.add(read_tensor_file(tmp_path / name).container)
    assert containers == {"safetensors", "torch", "torch-legacy", "torchscript", "npz"}


def test_an_array_of_nothing_but_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "short.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY")
    with pytest.raises(VisavisError, match="which is no array of numpy"):
        read_tensor_file(path)
