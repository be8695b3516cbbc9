"""Which entries of a checkpoint are its weights."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from visavis.errors import VisavisError
from visavis.zoo.formats.tensor_file import TensorFile, read_tensor_file

A, B, OTHER = torch.ones(2), torch.zeros(3), torch.full((4,), 9.0)
OPTIMIZER = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": OTHER}}, "param_groups": [{"lr": 0.1, "params": [0]}]}


def weights(prefix: str = "") -> dict[str, Tensor]:
    return {f"{prefix}a.weight": A, f"{prefix}b.bias": B}


@pytest.mark.parametrize(
    ("checkpoint", "unwrapped", "ignored"),
    [
        (weights(), (), ()),
        (weights("module."), ("module.",), ()),
        (weights("module._orig_mod.model."), ("module.", "_orig_mod.", "model."), ()),
        ({"state_dict": weights("model."), "epoch": 3}, ("state_dict", "model."), ("epoch",)),
        ({"model": weights(), "optimizer": OPTIMIZER, "args": Namespace(a=1)}, ("model",), ("optimizer", "args")),
        ({"model": {"state_dict": weights()}, "lr": 0.1}, ("model", "state_dict"), ("lr",)),
        ({"state_dict": weights(), "state_dict_ema": {"a": OTHER}}, ("state_dict",), ("state_dict_ema",)),
        (
            {"model_ema": {"n_averaged": torch.tensor(5), **weights("module.")}},
            ("model_ema", "module."),
            ("n_averaged",),
        ),
        ({"student": {"a": OTHER}, "teacher": weights("module.")}, ("teacher", "module."), ("student",)),
        ({"model_state_dict": weights(), "best": torch.tensor(0.5)}, ("model_state_dict",), ("best",)),
        ({"params": {"a": {"weight": A}, "b": {"bias": B}}, "opt_state": [OTHER]}, ("params",), ("opt_state",)),
        (
            {"a": {"weight": A}, "b.bias": B, "optim": OPTIMIZER, "kept": {"param_groups": [OTHER]}},
            (),
            ("optim", "kept"),
        ),
        ({"module": weights(), "optimizer": None, "history": list(range(1000))}, ("module",), ("optimizer", "history")),
        ([weights(), OPTIMIZER], None, None),
    ],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_the_weights_among_the_rest(checkpoint, unwrapped, ignored, zipped: bool, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found = read_tensor_file(tmp_path / "a.pt")
    if unwrapped is None:  # a list: its places are names, its second entry an optimizer's state
        assert set(found.tensors) == {"0.a.weight", "0.b.bias"}
        assert found.ignored == ("1",)
        return
    assert found.unwrapped == unwrapped
    assert found.ignored == ignored
    assert_weights(found)


def assert_weights(found: TensorFile) -> None:
    assert list(found.tensors) == ["a.weight", "b.bias"]
    assert torch.equal(found.tensors["a.weight"], A)
    assert torch.equal(found.tensors["b.bias"], B)


def test_a_prefix_that_not_all_names_have_is_kept(tmp_path: Path) -> None:
    torch.save({**weights("module."), "logit_scale": B}, tmp_path / "a.pt")
    found = read_tensor_file(tmp_path / "a.pt")
    assert set(found.tensors) == {"module.a.weight", "module.b.bias", "logit_scale"}
    assert found.unwrapped == ()


def test_numbers_and_texts_among_the_weights_are_left_aside(tmp_path: Path) -> None:
    torch.save({**weights(), "version": 2, "name": "x", "lr": np.float64(0.1)}, tmp_path / "a.pt")
    found = read_tensor_file(tmp_path / "a.pt")
    assert_weights(found)
    assert found.ignored == ("version", "name", "lr")


@pytest.mark.parametrize("prefix", ["params/", "opt/target/"])
def test_trees_of_big_vision(prefix: str, tmp_path: Path) -> None:
    arrays = {f"{prefix}head/kernel": np.ones(2), "opt/state/0": np.ones(9), "extra": np.ones(1)}
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_tensor_file(tmp_path / "a.npz")
    assert list(found.tensors) == ["head/kernel"]
    assert found.unwrapped == (prefix,)
    assert set(found.ignored) == {"opt/state/0", "extra"}


def test_two_tensors_of_one_name(tmp_path: Path) -> None:
    torch.save({"a": {"b": A}, "a.b": B}, tmp_path / "a.pt")
    with pytest.raises(VisavisError, match=r"two tensors named 'a\.b'"):
        read_tensor_file(tmp_path / "a.pt")


def test_a_module_shared_a_billion_times(tmp_path: Path) -> None:
    tree: dict = {"a": A}
    for _ in range(30):
        tree = {"left": tree, "right": tree}
    torch.save(tree, tmp_path / "a.pt")
    with pytest.raises(VisavisError, match="many of them the same"):
        read_tensor_file(tmp_path / "a.pt")


def test_one_storage_claimed_by_very_many(tmp_path: Path) -> None:
    large = torch.zeros(1 << 20)
    torch.save({str(number): large for number in range(100)}, tmp_path / "a.pt")
    with pytest.raises(VisavisError, match="many times the bytes"):
        read_tensor_file(tmp_path / "a.pt")
