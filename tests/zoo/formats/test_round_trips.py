"""What torch, safetensors and numpy write is read back bit for bit."""

from __future__ import annotations

import math
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from visavis.errors import VisavisError
from visavis.zoo.formats.tensor_file import read_tensor_file

ZIPPED = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
DTYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)


def assert_same(found: dict[str, Tensor], written: dict[str, Tensor]) -> None:
    """Same names in the same order, and each tensor the same bits of the same type, not a number included."""
    assert list(found) == list(written)
    for name, tensor in written.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert not found[name].requires_grad
        assert torch.equal(_bits(found[name]), _bits(tensor)), name


def _bits(tensor: Tensor) -> Tensor:
    copied = torch.zeros(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())
    return copied.reshape(-1).view(torch.uint8)


@st.composite
def state_dicts(draw: st.DrawFn) -> dict[str, Tensor]:
    """Up to four views of one storage and of their own: overlapping, repeated, empty or turned."""
    state: dict[str, Tensor] = {}
    shared: dict[torch.dtype, Tensor] = {}
    for number in range(draw(st.integers(1, 4))):
        dtype = draw(st.sampled_from(DTYPES))
        size = draw(st.lists(st.integers(0, 4), max_size=3))
        stride = draw(st.lists(st.integers(0, 6), min_size=len(size), max_size=len(size)))
        if dtype not in shared or draw(st.booleans()):
            raw = torch.tensor(list(draw(st.binary(min_size=800, max_size=800))), dtype=torch.uint8)
            shared[dtype] = (raw % 2).bool() if dtype == torch.bool else raw.view(dtype)
        offset = draw(st.integers(0, shared[dtype].numel() - 3 * 3 * 6 - 1))
        state[f"layer.{number}"] = shared[dtype].as_strided(size, stride, offset)
    return state


@settings(max_examples=150, deadline=None)
@given(state_dicts(), st.booleans(), st.integers(2, 5))
def test_whatever_torch_saves_comes_back(state: dict[str, Tensor], zipped: bool, protocol: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pt"
        torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        found = read_tensor_file(path)
        assert_same(found.tensors, torch.load(path, weights_only=False))
        assert_same(found.tensors, state)
        assert [tensor.stride() for tensor in found.tensors.values()] == [one.stride() for one in state.values()]
        assert found.container == ("torch" if zipped else "torch-legacy")


@ZIPPED
def test_shared_storages_stay_shared(zipped: bool, tmp_path: Path) -> None:
    base = torch.randn(6)
    torch.save({"a": base, "b": base[2:4]}, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    tensors = read_tensor_file(tmp_path / "a.pt").tensors
    tensors["a"][2] = 5.0
    assert tensors["b"][0] == 5.0
    assert torch.equal(torch.load(tmp_path / "a.pt")["a"], base)  # the file itself is as it was


@ZIPPED
def test_parameters_and_buffers_of_a_state_dict(zipped: bool, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3), torch.nn.PReLU())
    state = network.state_dict(keep_vars=True)  # parameters with their gradients' wish, and OrderedDict._metadata
    assert state["0.weight"].requires_grad
    torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert_same(read_tensor_file(tmp_path / "a.pt").tensors, state)


@ZIPPED
def test_a_network_saved_whole(zipped: bool, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3))
    network.register_buffer("unsaved", torch.ones(1), persistent=False)
    network.add_module("model", torch.nn.Linear(3, 3))  # a child of that name is no wrapper
    torch.save(network, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found = read_tensor_file(tmp_path / "a.pt")
    assert_same(found.tensors, network.state_dict())
    assert found.unwrapped == ()
    assert found.ignored == ()


@ZIPPED
def test_parameters_with_attributes(zipped: bool, tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.randn(2, 2))
    weight.sharded = True  # torch writes such tensors by another function
    plain = torch.randn(3)
    plain.note = "kept by torch"
    state = {"weight": weight, "plain": plain}
    torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert_same(read_tensor_file(tmp_path / "a.pt").tensors, state)


def test_kinds_of_numbers_that_are_no_weights_are_left_aside(tmp_path: Path) -> None:
    state = {
        "weight": torch.ones(2),
        "complex": torch.ones(2, dtype=torch.complex64),
        "odd": torch.ones(2).to(torch.uint16),
    }
    for zipped in (True, False):
        torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        found = read_tensor_file(tmp_path / "a.pt")
        assert list(found.tensors) == ["weight"]
        assert found.ignored == ("complex", "odd")


def test_big_endian_archives(tmp_path: Path, rewrite) -> None:
    state = {"a": torch.tensor([1.0, 2.5]), "b": torch.tensor([1, 256], dtype=torch.int16), "c": torch.tensor([True])}
    torch.save(state, tmp_path / "a.pt")
    numbers = {f"data/{key}": tensor.numpy().byteswap().tobytes() for key, tensor in enumerate(state.values())}
    rewrite(tmp_path / "a.pt", byteorder=b"big", **numbers)
    assert_same(read_tensor_file(tmp_path / "a.pt").tensors, state)


def test_archives_without_checksums(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(weights, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(read_tensor_file(tmp_path / "a.pt").tensors, weights)


def test_python_2_wrote_state_dicts_as_lists_of_pairs(tmp_path: Path, weights: dict[str, Tensor], rewrite) -> None:
    torch.save(OrderedDict(weights), tmp_path / "a.pt")
    held = torch.load(tmp_path / "a.pt")
    pairs = b"ccollections\nOrderedDict\n((l(lS'weight'\na" + _tensor(held["weight"], 0) + b"aa(lS'bias'\na"
    rewrite(tmp_path / "a.pt", **{"data.pkl": b"\x80\x02" + pairs + _tensor(held["bias"], 1) + b"aatR."})
    assert_same(read_tensor_file(tmp_path / "a.pt").tensors, weights)


def _tensor(tensor: Tensor, key: int) -> bytes:
    """A tensor's record as text, as protocol 0 writes it."""
    numbers = [b"(" + b"".join(b"I%d\n" % size for size in sizes) + b"t" for sizes in (tensor.shape, tensor.stride())]
    storage = b"(S'storage'\nctorch\nFloatStorage\nS'%d'\nS'cpu'\nI%d\nNtQ" % (key, math.prod(tensor.shape))
    return b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"I0\n" + b"".join(numbers) + b"tR"


@settings(max_examples=40, deadline=None)
@given(state_dicts())
def test_safetensors(state: dict[str, Tensor]) -> None:
    state = {name: torch.zeros(one.shape, dtype=one.dtype).copy_(one) for name, one in state.items()}
    with tempfile.TemporaryDirectory() as folder:
        save_file(state, Path(folder) / "a.bin", {"licence": "MIT 🦊"})  # the name says nothing
        found = read_tensor_file(Path(folder) / "a.bin")
        assert_same({name: found.tensors[name] for name in state}, state)
        assert len(found.tensors) == len(state)
        assert found.metadata == {"licence": "MIT 🦊"}
        assert found.container == "safetensors"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(save, tmp_path: Path) -> None:
    arrays = {
        "float16": np.arange(6, dtype=np.float16).reshape(2, 3),
        "turned": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        "big": np.arange(5, dtype=">i4"),
        "int8": np.array([-1, 2], np.int8),
        "bool": np.array([True, False]),
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "a/../../b": np.ones(2, np.float32),  # a name like any other
    }
    save(tmp_path / "a.npz", **arrays)
    found = read_tensor_file(tmp_path / "a.npz")
    assert found.container == "npz"
    written = {name: torch.from_numpy(array.astype(array.dtype.newbyteorder("="))) for name, array in arrays.items()}
    assert_same(found.tensors, written)


def test_npz_holds_bfloat16_as_two_bytes_without_a_meaning(tmp_path: Path) -> None:
    numbers = torch.tensor([[1.5, -2.0], [3.0, float("inf")]], dtype=torch.bfloat16)
    np.savez(tmp_path / "a.npz", kernel=numbers.view(torch.int16).numpy().view("V2"))
    assert_same(read_tensor_file(tmp_path / "a.npz").tensors, {"kernel": numbers})


def test_a_tensor_without_a_name(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "a.pt")
    with pytest.raises(VisavisError, match="no named tensors"):
        read_tensor_file(tmp_path / "a.pt")
