"""Files for the peers: whole or not at all, read back exactly; test_layouts_parity.py lets the peers read them."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import build_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.convert import convert, misfit
from visavis.zoo.layouts.names import find_layout, to_visavis
from visavis.zoo.layouts.reading import read_config
from visavis.zoo.opening import open_checkpoint
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.sidecars import hugging_face_preprocess, open_clip_preprocess, timm_preprocess

QUICK_TEXT = TextConfig(
    context_length=8, vocab_size=600, width=64, layers=1, heads=1, embed_dim=8, activation="quickgelu"
)
TEXT = dataclasses.replace(QUICK_TEXT, activation="gelu")
QUICK_TOWER = CLIPViTConfig(
    image_size=32, patch_size=8, width=64, layers=1, heads=1, embed_dim=8, activation="quickgelu"
)
CLIP_VIT = CLIPConfig(visual=QUICK_TOWER, text=QUICK_TEXT)
CLIP_RESNET = CLIPConfig(
    visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=4, image_size=32, embed_dim=8), text=QUICK_TEXT
)
RESNET = ResNetConfig(block="basic", layers=(1, 1, 1, 1), image_size=32, num_classes=3)
VIT = ViTConfig(image_size=32, patch_size=8, width=16, layers=1, heads=2, num_classes=3)
CLIP_TARGETS = ["openai", "open_clip", "hf", "visavis"]
SUFFIXES = {"openai": ".pt", "torchvision": ".pth", "visavis": ".safetensors"}


def checkpoint(config, **settings):
    state = build_model(config, seed=3).state_dict()
    halved = {name: value.half().float() if value.is_floating_point() else value for name, value in state.items()}
    preprocess = settings.pop("preprocess", Preprocess(image_size=32, resize=32))
    return Checkpoint(config=config, preprocess=preprocess, state=halved, **settings)


@pytest.mark.parametrize(
    ("config", "targets"),
    [
        (CLIP_VIT, CLIP_TARGETS),
        (CLIP_RESNET, ["openai", "open_clip", "visavis"]),
        (dataclasses.replace(CLIP_RESNET, text=TEXT), ["open_clip", "visavis"]),
        (CLIPConfig(visual=QUICK_TOWER, text=TEXT), ["hf", "visavis"]),
        (dataclasses.replace(CLIP_VIT, visual=dataclasses.replace(QUICK_TOWER, heads=2)), CLIP_TARGETS[1:]),
        (dataclasses.replace(CLIP_VIT, visual=dataclasses.replace(QUICK_TOWER, mlp_width=99)), CLIP_TARGETS[1:]),
        (RESNET, ["hf", "timm", "torchvision", "visavis"]),
        (dataclasses.replace(RESNET, width=8), ["hf", "visavis"]),
        (dataclasses.replace(RESNET, num_classes=0), ["hf", "timm", "visavis"]),
        (
            dataclasses.replace(RESNET, block="bottleneck", groups=2, width_per_group=8),
            ["timm", "torchvision", "visavis"],
        ),
        (VIT, ["hf", "timm", "torchvision", "visavis"]),
        (dataclasses.replace(VIT, num_classes=0), ["hf", "timm", "visavis"]),
        (dataclasses.replace(VIT, activation="quickgelu"), ["hf", "visavis"]),
        (dataclasses.replace(VIT, eps=1e-3), ["hf", "visavis"]),
    ],
)
def test_every_target_that_fits_is_read_back(config, targets, tmp_path):
    """And no other is written: the error lists those that fit."""
    weights = checkpoint(config)
    every = ("openai", "open_clip", "hf", "timm", "torchvision", "visavis")
    assert [target for target in every if misfit(weights, target) is None] == targets
    for target in every:
        out = tmp_path / f"{target}{SUFFIXES.get(target, '')}"
        if target not in targets:
            with pytest.raises(UsageError, match=f"Fitting are: {', '.join(targets)}"):
                convert(weights, target, out)
            assert not out.exists()
            continue
        convert(weights, target, out)
        read, state = read_back(target, out, config)
        assert read == config
        assert state.keys() == weights.state.keys()
        assert all(torch.equal(state[name], value) for name, value in weights.state.items())


def read_back(target, out, config):
    if target == "visavis":
        read = open_checkpoint(out)
        return read.config, read.state
    if out.is_file():
        tensors, sidecar = torch.load(out, weights_only=True), None
    else:
        (weights,) = out.glob("*.safetensors")
        tensors = load_file(weights)
        sidecar = json.loads(next(path for path in out.glob("*config.json") if "pre" not in path.name).read_text())
    layout = find_layout(tensors)
    named = config if sidecar is None else None
    read = read_config(layout, tensors, sidecar, config=named)
    state = to_visavis(layout, tensors, read)
    if isinstance(config, ResNetConfig):  # its tensors tell no image size
        read = dataclasses.replace(read, image_size=config.image_size)
    return read, state


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize(("image_size", "resize"), [(32, 32), (32, 41), (32, 36), (32, 128)])
def test_preprocessing_goes_along(image_size, resize, mode, tmp_path):
    preprocess = Preprocess(
        image_size=image_size, resize=resize, interpolation="bilinear", resize_mode=mode, std=(0.1, 0.2, 0.3)
    )
    weights = checkpoint(VIT, preprocess=preprocess)
    notes = convert(weights, "hf", tmp_path / "hf").notes
    assert any("one pixel aside" in note for note in notes) == (mode == "shortest" or resize != image_size)
    written = json.loads((tmp_path / "hf" / "preprocessor_config.json").read_text())
    assert hugging_face_preprocess(written) == dataclasses.replace(preprocess, crop_rounding="down")
    convert(weights, "timm", tmp_path / "timm")
    assert timm_preprocess(json.loads((tmp_path / "timm" / "config.json").read_text())) == preprocess
    notes = convert(checkpoint(CLIP_VIT, preprocess=preprocess), "open_clip", tmp_path / "open_clip").notes
    written = json.loads((tmp_path / "open_clip" / "open_clip_config.json").read_text())
    assert open_clip_preprocess(written, image_size) == dataclasses.replace(preprocess, resize=image_size)
    assert any("resizes" in note for note in notes) == (resize != image_size)


def test_class_names_go_along(tmp_path):
    names = ("a", "\udc80 no text", "<b>")
    convert(checkpoint(VIT, class_names=names), "hf", tmp_path / "hf")
    written = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert written["id2label"] == dict(zip("012", names, strict=True))
    convert(checkpoint(VIT, class_names=names), "timm", tmp_path / "timm")
    assert json.loads((tmp_path / "timm" / "config.json").read_text())["label_names"] == list(names)


def test_a_feed_forward_width_survives_the_division(tmp_path):
    """Open_clip and timm keep a ratio and cut int(width * ratio): no width may be lost by rounding."""
    for mlp_width in range(1, 200, 7):
        config = dataclasses.replace(CLIP_VIT, visual=dataclasses.replace(QUICK_TOWER, width=96, heads=1))
        config = dataclasses.replace(config, visual=dataclasses.replace(config.visual, mlp_width=mlp_width))
        out = convert(checkpoint(config), "open_clip", tmp_path / str(mlp_width)).path
        written = json.loads((out / "open_clip_config.json").read_text())["model_cfg"]["vision_cfg"]
        assert int(written["width"] * written["mlp_ratio"]) == mlp_width


def test_what_is_lost_is_told(tmp_path):
    weights = checkpoint(CLIP_VIT)
    notes = convert(weights, "openai", tmp_path / "halves.pt").notes
    assert len(notes) == 1
    assert "49408 tokens" in notes[0]
    fine = {**weights.state, "visual.proj": weights.state["visual.proj"] + 1e-7}
    notes = convert(dataclasses.replace(weights, state=fine), "openai", tmp_path / "fine.pt").notes
    assert any("half precision" in note for note in notes)
    bilinear = dataclasses.replace(weights.preprocess, interpolation="bilinear")
    notes = convert(dataclasses.replace(weights, preprocess=bilinear), "openai", tmp_path / "other.pt").notes
    assert any("bilinear" in note for note in notes)
    notes = convert(checkpoint(dataclasses.replace(VIT, eps=1e-12)), "timm", tmp_path / "timm").notes
    assert any("1e-06" in note for note in notes)
    assert "preprocessing" in convert(checkpoint(VIT), "torchvision", tmp_path / "vit.pth").notes[0]
    assert "one pixel aside" in " ".join(convert(checkpoint(VIT), "hf", tmp_path / "hf").notes)
    whole = dataclasses.replace(CLIP_VIT, text=dataclasses.replace(QUICK_TEXT, vocab_size=49408))
    note = convert(checkpoint(whole), "hf", tmp_path / "clip").notes[-1]
    assert "no tokenizer" in note
    assert convert(checkpoint(whole), "open_clip", tmp_path / "open_clip").notes == ()


@pytest.mark.parametrize(
    ("target", "name", "said"),
    [
        ("openai", "x.safetensors", "'.pt'"),
        ("torchvision", "x", "'.pth'"),
        ("visavis", "x.pt", "'.safetensors'"),
        ("hf", "x.safetensors", "a folder"),
        ("hf", "missing/x", "no folder"),
        ("onnx", "x", "no target 'onnx'"),
    ],
)
def test_places_that_do_not_fit(target, name, said, tmp_path):
    weights = checkpoint(CLIP_VIT if target in ("openai", "onnx") else VIT)
    with pytest.raises(UsageError, match=said):
        convert(weights, target, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["hf", "torchvision", "visavis"])
def test_nothing_is_overwritten(target, tmp_path):
    out = tmp_path / f"x{SUFFIXES.get(target, '')}"
    convert(checkpoint(VIT), target, out)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="exists already"):
        convert(checkpoint(VIT), target, out)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_an_empty_folder_is_no_obstacle(tmp_path):
    out = convert(checkpoint(VIT), "hf", tmp_path).path
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "config.json", "preprocessor_config.json"}


@pytest.mark.parametrize(("target", "place"), [("hf", "json.dumps"), ("torchvision", "torch.save")])
def test_a_failure_leaves_nothing(target, place, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise OSError("no space left")

    monkeypatch.setattr(place, fail)
    with pytest.raises(VisavisError, match="no space left"):
        convert(checkpoint(VIT), target, tmp_path / f"x{SUFFIXES.get(target, '')}")
    assert not list(tmp_path.iterdir())


def test_a_view_brings_no_stranger_along(tmp_path):
    """A tensor that lies in a large file's memory is written alone."""
    weights = checkpoint(RESNET)
    large = torch.zeros(10_000_000)
    name, value = next(iter(weights.state.items()))
    large[: value.numel()] = value.flatten()
    state = {**weights.state, name: large[: value.numel()].view(value.shape)}
    out = convert(dataclasses.replace(weights, state=state), "torchvision", tmp_path / "x.pth").path
    assert out.stat().st_size < 30_000_000
    assert torch.equal(torch.load(out, weights_only=True)[name], value)
