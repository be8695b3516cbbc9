"""Files there and back, cut short, foreign, and hostile."""

from __future__ import annotations

import dataclasses
import json
import os
import resource

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo import checkpoint as module
from visavis.zoo.architectures import build_model
from visavis.zoo.checkpoint import Checkpoint, save_checkpoint, write_safetensors
from visavis.zoo.files import replacing
from visavis.zoo.opening import open_checkpoint
from visavis.zoo.preprocess import Preprocess

TEXT = TextConfig(context_length=8, vocab_size=520, width=16, layers=1, heads=2, embed_dim=6)
TINY = {
    "supervised-resnet": ResNetConfig(block="basic", layers=(1, 1, 1, 1), width=4, image_size=32, num_classes=3),
    "supervised-vit": ViTConfig(image_size=32, patch_size=16, width=16, layers=1, heads=2, num_classes=3),
    "clip-resnet": CLIPConfig(
        visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=4, image_size=32, embed_dim=6), text=TEXT
    ),
    "clip-vit": CLIPConfig(
        visual=CLIPViTConfig(image_size=32, patch_size=16, width=16, layers=1, heads=2, embed_dim=6),
        text=TEXT,
    ),
}


def made(family: str = "supervised-vit", seed: int = 0) -> Checkpoint:
    config = TINY[family]
    return Checkpoint(
        config=config,
        preprocess=Preprocess(image_size=32, resize=40, interpolation="bilinear", mean=(0.1, 0.2, 0.3)),
        state=build_model(config, seed=seed).state_dict(),
        class_names=("a", "b <c>", "\U0001f600") if family.startswith("supervised") else None,
        about={"license": "MIT", "recipe": {"seed": 0}},
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, made())
    return path


@pytest.mark.parametrize("family", TINY)
def test_there_and_back(tmp_path, family):
    written = made(family)
    save_checkpoint(tmp_path / "x.safetensors", written)
    read = open_checkpoint(tmp_path / "x.safetensors")
    for field in ("config", "preprocess", "class_names", "about"):
        assert getattr(read, field) == getattr(written, field)
    assert read.state.keys() == written.state.keys()
    for name, value in written.state.items():
        assert torch.equal(read.state[name], value)
        assert read.state[name].dtype == value.dtype
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_half_precision_comes_back_as_float32(tmp_path):
    written = made("clip-resnet")
    save_checkpoint(tmp_path / "x.safetensors", written, torch.float16)
    on_disk = load_file(tmp_path / "x.safetensors")
    assert {value.dtype for value in on_disk.values()} == {torch.float16, torch.int64}  # counters stay whole
    read = open_checkpoint(tmp_path / "x.safetensors")
    for name, value in written.state.items():
        if value.is_floating_point():
            assert read.state[name].dtype == torch.float32
            assert torch.equal(read.state[name], value.half().float())


def test_any_cut_is_noticed(saved, tmp_path):
    whole = saved.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    short = tmp_path / "short.safetensors"
    for length in (0, 1, 7, 8, 9, header // 2, 8 + header - 1, 8 + header, 8 + header + 1, len(whole) - 1):
        short.write_bytes(whole[:length])
        with pytest.raises(VisavisError, match=r"short.safetensors' (is|was|ends|has|holds|cannot|claims)\b") as bad:
            open_checkpoint(short)
        assert bad.value.exit_code == 1
    short.write_bytes(whole + b"\0")
    with pytest.raises(VisavisError, match=r"short\.safetensors'"):
        open_checkpoint(short)


def test_other_files_are_no_checkpoints(tmp_path):
    for name, content in (("text", b"hello"), ("zip", b"PK\3\4" + bytes(100)), ("huge", b"\xff" * 64)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VisavisError, match=f"{name}' "):
            open_checkpoint(tmp_path / name)
    with pytest.raises(UsageError, match="is no file or folder that exists"):
        open_checkpoint(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no weights under a usual name"):
        open_checkpoint(tmp_path)


def test_foreign_weights_are_named_as_such(tmp_path):
    path = tmp_path / "foreign.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"w": torch.zeros(2)}, path, metadata=metadata)
        with pytest.raises(VisavisError, match="names are those of no network that visavis knows"):
            open_checkpoint(path)


def rewritten(path, change) -> None:
    """The same tensors, with metadata changed in place by a function of the plain data (or replaced by a text)."""
    state = load_file(path)
    with safe_open(path, framework="pt") as file:
        data = json.loads(file.metadata()["visavis"])
    text = change if isinstance(change, str) else None
    if text is None:
        change(data)
        text = json.dumps(data)
    save_file(state, path, metadata={"visavis": text})


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "3", '"x"', "{}", '{"format": 1}', "[" * 100_000],
    ids=lambda text: text[:12],
)
def test_metadata_that_are_no_description(saved, text):
    rewritten(saved, text)
    with pytest.raises(VisavisError, match=r"The metadata of .* do not describe its weights") as bad:
        open_checkpoint(saved)
    assert len(str(bad.value)) < 600


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(data):
        for step in path:
            data = data[step]
        data[last] = value

    return change


HOSTILE = {
    "a newer format": (put("format", 2), "format 2 is not 1"),
    "no format": (lambda data: data.pop("format"), "'format'"),
    "another family": (put("config", "family", "clip-vit"), "visual"),
    "an unknown family": (put("config", "family", "mlp"), "family must be one of visavis's four, not 'mlp'"),
    "an unknown field": (put("config", "dropout", 0.1), "dropout"),
    "a missing section": (lambda data: data.pop("preprocess"), "'preprocess'"),
    "a giant width": (put("config", "width", 10**6), "class_embedding should be"),
    "an absurd width": (put("config", "width", 10**30), "width must be a whole number from 1 to"),
    "a million layers": (put("config", "layers", 10**6), "tensors for 1000000 blocks"),
    "one layer more": (put("config", "layers", 2), r"resblocks.1.* should be \(.*\), but is absent"),
    "a negative number": (put("config", "heads", -2), "heads must be a whole number"),
    "zero": (put("config", "patch_size", 0), "patch_size must be a whole number"),
    "a fraction": (put("config", "width", 16.0), "width must be a whole number"),
    "a text": (put("config", "width", "16"), "width must be a whole number"),
    "a truth": (put("config", "layers", True), "layers must be a whole number"),
    "a list": (put("config", "image_size", [32]), "image_size must be a whole number"),
    "another activation": (put("config", "activation", "relu"), "activation must be"),
    "giant images": (
        put("preprocess", "image_size", 10**9),
        "image_size must be a whole number from 1 to 4096",
    ),
    "other images": (put("preprocess", "image_size", 24), "images of 24 pixels for a network of 32"),
    "a giant resize": (put("preprocess", "resize", 10**9), "resize must be 1 to 4 times"),
    "a text as mean": (put("preprocess", "mean", "abc"), "bad operand type"),
    "a mean beyond float32": (put("preprocess", "mean", [0, 1e308, 0]), "mean must be three numbers up to 10000"),
    "a list as preprocessing": (put("preprocess", [1]), "no attribute 'items'"),
    "too few class names": (put("class_names", ["a"]), "1 class names for 3 classes"),
    "class names of numbers": (put("class_names", [1, 2, 3]), "class_names holds something else than texts"),
    "one class name": (put("class_names", 7), "not iterable"),
    "about as a list": (put("about", ["MIT"]), "about is no table of facts"),
}


@pytest.fixture
def little_memory():
    """No more than 300 MiB beyond what the process holds: a greedy reader fails with another error."""
    with open("/proc/self/statm", encoding="ascii") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    usual = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + 300 * 2**20, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, usual)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_metadata_end_in_one_error_and_take_no_memory(saved, name):
    change, words = HOSTILE[name]
    rewritten(saved, change)
    with pytest.raises(VisavisError, match=words) as bad:
        open_checkpoint(saved)
    assert "Give a file that `visavis train` wrote" in str(bad.value)


@pytest.mark.usefixtures("little_memory")
def test_hostile_metadata_of_a_clip(tmp_path):
    path = tmp_path / "clip.safetensors"
    for change, words in (
        (put("config", "text", "layers", 10**6), "blocks"),
        (put("config", "text", "vocab_size", 10**6), "text.token_embedding.weight should be"),
        (put("config", "visual", "layers", [10**6, 1, 1, 1]), "blocks"),
        (put("config", "visual", "layers", 5), "not iterable"),
        (put("config", "visual", []), "list"),
        (put("config", "text", "embed_dim", 7), "Both towers must end in one shared space"),
        (put("class_names", ["a"]), "1 class names for None classes"),
    ):
        save_checkpoint(path, made("clip-resnet"))
        rewritten(path, change)
        with pytest.raises(VisavisError, match=words):
            open_checkpoint(path)


def test_tensors_that_do_not_fit(tmp_path):
    good = made()
    lacking = {name: value for name, value in good.state.items() if name != "head.bias"}
    more = {**good.state, "extra.weight": torch.zeros(2)}
    turned = {**good.state, "head.weight": good.state["head.weight"].T}
    for state, words in (
        (lacking, r"head.bias should be \(3,\), but is absent"),
        (more, r"extra.weight should be absent, but is \(2,\)"),
        (turned, r"head.weight should be \(3, 16\), but is \(16, 3\)"),
    ):
        save_checkpoint(tmp_path / "x.safetensors", dataclasses.replace(good, state=state))
        with pytest.raises(VisavisError, match=words):
            open_checkpoint(tmp_path / "x.safetensors")


def test_a_full_disk_keeps_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(VisavisError, match=r"Cannot write .*No space left.* Free some space"):
        save_checkpoint(saved, made(seed=1))
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_places_that_cannot_be_written(saved, tmp_path):
    for path in (saved / "below.safetensors", tmp_path / "no" / "folder.safetensors", tmp_path):
        with pytest.raises(VisavisError, match="Cannot write"):
            write_safetensors(path, {"w": torch.zeros(1)}, {})
    assert os.listdir(tmp_path) == [saved.name]


def test_an_interrupt_while_writing_leaves_nothing_behind(tmp_path):
    target = tmp_path / "x"
    target.write_text("old")

    def interrupted() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_views_of_larger_tensors_are_saved_alone(tmp_path):
    wide = torch.arange(12.0).reshape(3, 4)
    write_safetensors(tmp_path / "x", {"turned": wide.T}, {})
    assert torch.equal(load_file(tmp_path / "x")["turned"], wide.T)


def test_usage_errors_are_not_for_damaged_files(saved):
    saved.write_bytes(b"")
    with pytest.raises(VisavisError) as bad:
        open_checkpoint(saved)
    assert not isinstance(bad.value, UsageError)
