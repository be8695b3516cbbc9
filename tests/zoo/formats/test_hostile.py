"""No file makes the reader run anything: traps in every place where a format could hold one leave no trace."""

from __future__ import annotations

import io
import json
import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from visavis.errors import VisavisError
from visavis.zoo.formats.tensor_file import read_tensor_file

LEGACY = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
MAGIC, PROTOCOL, MACHINE = 0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}
# Where in a checkpoint a trap may sit beside whole weights.
PLACES: dict[str, Callable[[dict, object], object]] = {
    "in the state dict": lambda weights, trap: {**weights, "trap": trap},
    "beside the state dict": lambda weights, trap: {"state_dict": weights, "args": trap},
    "in an unknown object": lambda weights, trap: {"model": weights, "args": Namespace(trap=[trap])},
    "in the optimizer": lambda weights, trap: {
        "model": weights,
        "optimizer": {"state": {0: trap}, "param_groups": [trap]},
    },
    "before the weights": lambda weights, trap: {"args": trap, "params": weights},
    "in a list": lambda weights, trap: {"state_dict": weights, "hooks": [(trap, {"deep": [trap]})]},
    "in an unknown key": lambda weights, trap: {"state_dict": weights, "table": {(1, 2): trap}},
}


def test_the_traps_do_spring(trap: object, trace: Path, tmp_path: Path) -> None:
    torch.save({"trap": trap}, tmp_path / "a.pt")
    held = torch.load(tmp_path / "a.pt", weights_only=False)
    assert trace.exists()
    if isinstance(held["trap"], io.IOBase):
        held["trap"].close()


@LEGACY
@pytest.mark.parametrize("place", PLACES)
def test_weights_load_and_the_trap_beside_them_does_not_spring(
    place: str, zipped: bool, trap: object, trace: Path, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(PLACES[place](weights, trap), tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found = read_tensor_file(tmp_path / "a.pt")
    assert not trace.exists()
    assert set(found.tensors) == set(weights)
    assert all(torch.equal(found.tensors[name], weights[name]) for name in weights)


@LEGACY
def test_a_trap_instead_of_weights(trap: object, trace: Path, zipped: bool, tmp_path: Path) -> None:
    torch.save(trap, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(VisavisError, match="holds no named tensors"):
        read_tensor_file(tmp_path / "a.pt")
    assert not trace.exists()


@pytest.mark.parametrize("place", range(5))
def test_a_trap_in_each_of_the_five_pickles_of_a_legacy_file(
    place: int, trap: object, trace: Path, tmp_path: Path
) -> None:
    parts: list[object] = [MAGIC, PROTOCOL, MACHINE, {"a": 1}, []]
    parts[place] = trap
    (tmp_path / "a.pt").write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in parts))
    with pytest.raises(VisavisError, match=r"a\.pt"):
        read_tensor_file(tmp_path / "a.pt")
    assert not trace.exists()


def test_a_trap_as_a_tensor_or_its_storage(trap: object, trace: Path, weights: dict, tmp_path: Path, rewrite) -> None:
    torch.save(weights, tmp_path / "a.pt")
    part = pickle.dumps(trap, protocol=2)[2:-1]  # without its start and end
    rebuild = b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n("  # {"a": tensor of ...
    for body in (
        part + b"K\x00))\x88Ntts.",
        b"(X\x07\x00\x00\x00storage" + part + b"X\x01\x00\x00\x000NK\x01tQK\x00))tRs.",
    ):
        rewrite(tmp_path / "a.pt", **{"data.pkl": rebuild + body})
        with pytest.raises(VisavisError):
            read_tensor_file(tmp_path / "a.pt")
    assert not trace.exists()


@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl"])
def test_a_trap_in_torchscript(member: str, trap: object, trace: Path, script, rewrite) -> None:
    path = script(torch.nn.Linear(3, 4))
    rewrite(path, **{member: pickle.dumps(trap, protocol=2)})
    if member == "data.pkl":
        with pytest.raises(VisavisError, match="holds no named tensors"):
            read_tensor_file(path)
    else:
        assert set(read_tensor_file(path).tensors) == {"weight", "bias"}
    assert not trace.exists()


def test_code_in_torchscript_is_not_run(trace: Path, script, rewrite) -> None:
    path = script(torch.nn.Linear(3, 4))
    rewrite(path, **{"code/__torch__/torch/nn/modules/linear.py": f"open({str(trace)!r}, 'w')".encode()})
    assert set(read_tensor_file(path).tensors) == {"weight", "bias"}
    assert not trace.exists()


def test_arrays_of_objects_are_refused(trap: object, trace: Path, tmp_path: Path) -> None:
    objects = np.empty(1, object)
    objects[0] = trap
    np.savez(tmp_path / "a.npz", kernel=np.ones(3), objects=objects)
    with pytest.raises(VisavisError, match=r"'objects.npy'.*Python objects"):
        read_tensor_file(tmp_path / "a.npz")
    assert not trace.exists()


def test_a_trap_in_one_part_of_a_network(trap: object, trace: Path, weights: dict, tmp_path: Path) -> None:
    torch.save({**weights, "trap": trap}, tmp_path / "part.bin")
    index = {"weight_map": dict.fromkeys(weights, "part.bin")}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert set(read_tensor_file(tmp_path).tensors) == set(weights)
    assert not trace.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_trap_in_every_protocol(protocol: int, trap: object, trace: Path, weights: dict, tmp_path: Path) -> None:
    if protocol < 2:  # torch.save refuses to write its tensors so
        (tmp_path / "a.pt").write_bytes(pickle.dumps(trap, protocol=protocol))
        with pytest.raises(VisavisError):
            read_tensor_file(tmp_path / "a.pt")
    else:
        torch.save({"state_dict": weights, "trap": trap}, tmp_path / "a.pt", pickle_protocol=protocol)
        assert read_tensor_file(tmp_path / "a.pt").ignored == ("trap",)
    assert not trace.exists()
