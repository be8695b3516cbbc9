"""Folders as Hugging Face, open_clip and timm publish: which file is read, and that none outside the folder is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from visavis.errors import UsageError, VisavisError
from visavis.zoo.formats.tensor_file import read_tensor_file

CONFIG = {"architectures": ["X"]}


def write(path: Path, name: str = "a") -> Path:
    """A file of one tensor in the format that its ending promises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({name: torch.ones(2)}, path)
    else:
        torch.save({name: torch.ones(2)}, path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(VisavisError) as raised:
        read_tensor_file(path)
    return str(raised.value)


@pytest.mark.parametrize(
    ("files", "chosen", "config"),
    [
        (["model.safetensors", "pytorch_model.bin", "config.json"], "model.safetensors", "config.json"),
        (["pytorch_model.bin", "config.json"], "pytorch_model.bin", "config.json"),
        (
            ["open_clip_pytorch_model.bin", "open_clip_config.json"],
            "open_clip_pytorch_model.bin",
            "open_clip_config.json",
        ),
        (
            ["open_clip_model.safetensors", "model.safetensors", "open_clip_config.json", "config.json"],
            "open_clip_model.safetensors",
            "open_clip_config.json",
        ),
        (["open_clip_pytorch_model.bin", "model.safetensors", "config.json"], "model.safetensors", "config.json"),
        (["model.safetensors"], "model.safetensors", None),
    ],
)
def test_the_best_file_and_its_description(files: list[str], chosen: str, config: str | None, tmp_path: Path) -> None:
    for name in files:
        if name.endswith(".json"):
            (tmp_path / name).write_text(json.dumps({"name": name}))
        else:
            write(tmp_path / name)
    for given in (tmp_path, tmp_path / chosen):
        found = read_tensor_file(given)
        assert found.path == tmp_path / chosen
        assert found.config == (None if config is None else {"name": config})


def test_a_file_of_another_name_gets_no_description(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "open_clip_config.json").write_text(json.dumps(CONFIG))
    assert read_tensor_file(write(tmp_path / "mine.safetensors")).config is None
    assert read_tensor_file(write(tmp_path / "model.safetensors")).config == CONFIG


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_network_in_parts(suffix: str, tmp_path: Path) -> None:
    parts = {name: f"model-0000{number}-of-00002.{suffix}" for number, name in enumerate("ab", 1)}
    for name, part in parts.items():
        write(tmp_path / part, name)
    index = tmp_path / {"safetensors": "model.safetensors.index.json", "bin": "pytorch_model.bin.index.json"}[suffix]
    index.write_text(json.dumps({"metadata": {}, "weight_map": parts}))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for given in (tmp_path, index):
        found = read_tensor_file(given)
        assert set(found.tensors) == {"a", "b"}
        assert found.config == CONFIG
        assert found.container == ("safetensors" if suffix == "safetensors" else "torch")
    assert "is one of 2 parts" in refused(tmp_path / parts["a"])
    index.write_text(json.dumps({"weight_map": {**parts, "c": parts["a"]}}))
    assert "holds 'c', but it does not" in refused(tmp_path)
    (tmp_path / parts["b"]).unlink()
    assert "missing" in refused(tmp_path)


@pytest.mark.parametrize(
    "place", ["../out.safetensors", "sub/../../out.safetensors", "/etc/passwd", "..", ".", "", "..\\a", "a\0b"]
)
def test_parts_stay_in_their_folder(place: str, tmp_path: Path) -> None:
    write(tmp_path / "out.safetensors")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": place}}))
    assert "outside its folder" in refused(folder)


def test_links_out_of_a_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"password": 1}')
    weights = write(tmp_path / "elsewhere.safetensors")
    folder = tmp_path / "folder"
    write(folder / "model.safetensors")
    (folder / "config.json").symlink_to(secret)
    assert "link out of its folder" in refused(folder)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(weights)
    assert "link out of its folder" in refused(folder)
    assert set(read_tensor_file(folder / "model.safetensors").tensors) == {"a"}  # the user gave this very path
    (tmp_path / "linked").symlink_to(folder)
    (folder / "model.safetensors").unlink()
    write(folder / "model.safetensors")
    assert set(read_tensor_file(tmp_path / "linked").tensors) == {"a"}
    (folder / "model.safetensors").unlink()
    (folder / "real.safetensors").write_bytes(weights.read_bytes())
    (folder / "model.safetensors").symlink_to("real.safetensors")
    assert set(read_tensor_file(folder).tensors) == {"a"}
    (folder / "real.safetensors").unlink()
    assert "missing" in refused(folder)


def test_the_cache_of_hugging_face_links_to_its_blobs(tmp_path: Path) -> None:
    repository = tmp_path / "models--timm--x"
    blob = write(repository / "blobs" / "0a1b.safetensors").rename(repository / "blobs" / "0a1b")
    (repository / "blobs" / "2c3d").write_text(json.dumps(CONFIG))
    snapshot = repository / "snapshots" / "f00d"
    for folder, up in ((snapshot, "../.."), (snapshot / "deeper", "../../..")):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").symlink_to(f"{up}/blobs/{blob.name}")
        (folder / "config.json").symlink_to(f"{up}/blobs/2c3d")
        for given in (folder, folder / "model.safetensors"):
            found = read_tensor_file(given)
            assert set(found.tensors) == {"a"}
            assert found.config == CONFIG
    other = tmp_path / "models--evil--y" / "snapshots" / "f00d"
    other.mkdir(parents=True)
    (other / "model.safetensors").symlink_to(blob)  # of another repository
    assert "link out of its folder" in refused(other)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "no JSON"),
        (b"[1]", "no table"),
        (b'{"a":' * 100_000, "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b" " * ((16 << 20) + 1), "larger than"),
    ],
)
def test_descriptions_that_are_none(content: bytes, reason: str, tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(content)
    assert reason in refused(tmp_path)


def test_an_index_without_parts(tmp_path: Path) -> None:
    for content in ({}, {"weight_map": {}}, {"weight_map": {"a": 1}}, {"weight_map": [1]}):
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(content))
        assert "lists no parts" in refused(tmp_path)


def test_no_such_file_and_folders_without_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.pt' is no file or folder that exists"):
        read_tensor_file(tmp_path / "nothing.pt")
    with pytest.raises(UsageError, match=r"no weights under a usual name \(found: nothing\)"):
        read_tensor_file(tmp_path)
    write(tmp_path / "mine.pt")
    with pytest.raises(UsageError, match=r"\(found: mine\.pt\). Give the file itself"):
        read_tensor_file(tmp_path)
    assert "File name too long" in refused(tmp_path / ("a" * 300))
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        read_tensor_file(Path("/dev/null"))


def test_a_folder_may_be_given_relatively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: dict[str, Tensor]
) -> None:
    save_file(weights, tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    assert set(read_tensor_file(Path(".")).tensors) == set(weights)
    assert set(read_tensor_file(Path("model.safetensors")).tensors) == set(weights)
