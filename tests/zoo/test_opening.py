"""Anyone's files through the one door: what is read, what is asked for, what is told."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, build_model, find_config
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.convert import convert
from visavis.zoo.finding import find_checkpoint
from visavis.zoo.layouts.names import from_visavis
from visavis.zoo.layouts.tables import LAYOUTS
from visavis.zoo.opening import config_of, imagenet_names, open_checkpoint
from visavis.zoo.preprocess import CLIP_MEAN, IMAGENET_MEAN, Preprocess
from visavis.zoo.published import read_published
from visavis.zoo.resizing import with_image_size

CLIP_TINY = CLIPConfig(
    visual=CLIPViTConfig(
        image_size=32, patch_size=8, width=64, layers=2, heads=1, embed_dim=16, activation="quickgelu"
    ),
    text=TextConfig(
        vocab_size=600, context_length=16, width=64, layers=1, heads=1, embed_dim=16, activation="quickgelu"
    ),
)
RESNET_TINY = ResNetConfig(block="basic", layers=(1, 1, 1, 1), width=4, num_classes=1000)
SQUASHED = {"image_size": 32, "resize": 32, "resize_mode": "squash", "interpolation": "bilinear"}


def checkpoint_with(config: Config, **settings) -> Checkpoint:
    preprocess = Preprocess(**{"image_size": config.image_size, "resize": config.image_size, **settings})
    return Checkpoint(config=config, preprocess=preprocess, state=build_model(config, seed=0).state_dict())


def bare_file(config: Config, layout: str, path: Path) -> Path:
    tensors = from_visavis(LAYOUTS[layout], build_model(config, seed=0).state_dict(), config)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


@pytest.mark.parametrize("target", ["open_clip", "hf", "visavis"])
def test_what_is_converted_comes_back_with_all_settings(target, tmp_path):
    written = (
        checkpoint_with(CLIP_TINY, mean=(0.5, 0.4, 0.3)) if target == "hf" else checkpoint_with(CLIP_TINY, **SQUASHED)
    )
    read = open_checkpoint(convert(written, target, tmp_path / f"out{'.safetensors' * (target == 'visavis')}").path)
    assert read.config == written.config
    rounding = "down" if target == "hf" else "even"  # of an odd margin, as the peer does
    assert read.preprocess == dataclasses.replace(written.preprocess, crop_rounding=rounding)
    assert all(torch.equal(read.state[name], value) for name, value in written.state.items())


def test_a_bare_clip_is_asked_for_its_activation(tmp_path):
    path = bare_file(find_config("ViT-mini-8"), "openai", tmp_path / "clip.safetensors")
    with pytest.raises(
        UsageError, match=r"does not tell its activation.*FILE::NAME with one of ViT-mini-8, ViT-mini-8-q"
    ):
        open_checkpoint(path)
    for name, activation in (("ViT-mini-8", "gelu"), ("ViT-mini-8-quickgelu", "quickgelu")):
        read = open_checkpoint(path, name)
        assert isinstance(read.config, CLIPConfig)
        assert read.config.text.activation == activation
        assert read.preprocess.mean == CLIP_MEAN
        assert "CLIP's own preprocessing" in read.about["assumed"]


def test_what_a_file_is_may_stand_behind_its_path(tmp_path):
    path = bare_file(find_config("ViT-mini-8"), "openai", tmp_path / "clip.safetensors")
    read = find_checkpoint(f"{path}::ViT-mini-8-quickgelu@32")
    assert read.config == with_image_size(find_config("ViT-mini-8-quickgelu"), 32)
    with pytest.raises(UsageError, match=f"^'{path}': .*does not tell its activation"):
        find_checkpoint(path)
    with pytest.raises(UsageError, match="There is no checkpoint file"):
        find_checkpoint(f"{path}.pt::ViT-mini-8")
    odd = tmp_path / "clip::ViT-mini-8-quickgelu"  # a file may really be called so
    path.rename(odd)
    with pytest.raises(UsageError, match="does not tell its activation"):
        find_checkpoint(odd)


def test_a_bare_resnet_is_asked_for_its_preprocessing(tmp_path):
    path = bare_file(find_config("resnet18"), "torchvision-resnet", tmp_path / "resnet18.safetensors")
    with pytest.raises(
        UsageError, match=r"does not say what it demands of images .*resnet18.a1_in1k, .*resnet18.tv_in1k"
    ):
        open_checkpoint(path)
    with pytest.raises(UsageError, match="does not say what it demands of images"):
        open_checkpoint(path, "resnet18")  # an architecture does not tell either
    read = open_checkpoint(path, "resnet18.tv_in1k")
    assert read.preprocess == Preprocess(
        image_size=224, resize=256, interpolation="bilinear", mean=IMAGENET_MEAN, std=(0.229, 0.224, 0.225)
    )
    assert read.class_names == imagenet_names()
    assert read.about["published"] == "resnet18.tv_in1k"
    assert read.about["license"] == "BSD-3-Clause"
    with pytest.raises(UsageError, match="not of the architecture that was given"):
        open_checkpoint(path, "resnet50.tv_in1k")


@pytest.mark.parametrize(
    ("to", "name", "stated"),
    [
        ("timm", "config.json", '{"pretrained_cfg": "x"}'),
        ("timm", "config.json", '{"pretrained_cfg": {"input_size": [3, 1e400, 1e400]}}'),
        ("timm", "config.json", '{"pretrained_cfg": {"input_size": [3, 32, 32], "crop_pct": "much"}}'),
        ("hf", "preprocessor_config.json", '{"size": {"shortest_edge": 1e400}}'),
        ("hf", "preprocessor_config.json", '{"size": "x"}'),
        ("hf", "preprocessor_config.json", '{"size": {"height": 32, "width": 32}, "image_mean": 3}'),
    ],
)
def test_settings_that_make_no_sense(to, name, stated, tmp_path):
    network = ViTConfig(image_size=32, patch_size=8, width=64, layers=1, heads=1, num_classes=3)
    folder = convert(checkpoint_with(network), to, tmp_path / to).path
    described = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**described, **json.loads(stated)}))
    with pytest.raises(VisavisError, match=r"makes no sense|is none that visavis can do"):
        open_checkpoint(folder)


def test_imagenets_names():
    names = imagenet_names()
    assert (len(names), names[0], names[999]) == (1000, "tench", "toilet tissue")


def test_names_of_a_hugging_face_head(tmp_path):
    network = ViTConfig(image_size=32, patch_size=8, width=64, layers=1, heads=1, num_classes=3)
    folder = convert(checkpoint_with(network), "hf", tmp_path / "hf").path
    config = json.loads((folder / "config.json").read_text())
    for labels, wanted in (
        ({"0": "a", "1": "b", "2": "c"}, ("a", "b", "c")),
        ({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, None),
        ({"0": "a", "1": "b"}, None),
        (["a", "b", "c"], None),
    ):
        (folder / "config.json").write_text(json.dumps({**config, "id2label": labels}))
        assert open_checkpoint(folder).class_names == wanted


def test_damaged_networks_of_every_library():
    fuzz = Path(__file__).parents[1] / "fuzz" / "fuzz_networks.py"
    called = subprocess.run([sys.executable, fuzz, "60", "--seed", "5"], capture_output=True, text=True, check=False)
    assert called.returncode == 0, called.stdout + called.stderr
    assert "60 networks, seed 5" in called.stdout
    assert ", 0 failures" in called.stdout


def test_preprocessing_that_cannot_be_done_is_refused(tmp_path):
    folder = convert(checkpoint_with(CLIP_TINY), "open_clip", tmp_path / "clip").path
    description = folder / "open_clip_config.json"
    config = json.loads(description.read_text())
    description.write_text(json.dumps({**config, "preprocess_cfg": {"resize_mode": "longest"}}))
    with pytest.raises(VisavisError, match="resize_mode 'longest' is none of shortest, squash"):
        open_checkpoint(folder)


def test_half_precision_and_wrapping_are_told(tmp_path):
    path = tmp_path / "trained.pt"
    state = {f"module.{name}": value.half() for name, value in build_model(RESNET_TINY, seed=0).state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}, path)
    with pytest.raises(UsageError, match="published checkpoint that it is: none that fits"):
        open_checkpoint(path)


def test_every_published_row_has_a_network():
    for row in read_published().values():
        assert config_of(row).image_size == row.preprocess.image_size == row.image_size


def test_another_image_size():
    own, larger = find_checkpoint("ViT-mini-8.emoji"), find_checkpoint("ViT-mini-8.emoji@96")
    assert larger.preprocess.image_size == 96
    assert larger.about["positions_resized"] == "8 x 8 to 12 x 12"
    before, after = (found.state["visual.positional_embedding"] for found in (own, larger))
    assert after.shape == (145, 128)
    assert torch.equal(after[0], before[0])  # the class token's
    assert find_checkpoint("ViT-mini-8.emoji@64").about == own.about  # its own size: nothing done
    with pytest.raises(UsageError, match="cannot be used at 65 pixels: image_size must be a multiple"):
        find_checkpoint("ViT-mini-8.emoji@65")
