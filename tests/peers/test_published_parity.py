"""The table of published checkpoints against the live registries: nothing missing, nothing extra, values equal."""

from __future__ import annotations

from importlib import resources
from typing import Any

import open_clip
import pytest
import timm
import timm.data
import torch
import torchvision.models
from make_published import make_rows, openai_models, to_csv
from open_clip import pretrained as open_clip_registry
from open_clip.transform import PreprocessCfg, image_transform_v2
from published_facts import CORRECTED_REPOS, SELF_SUPERVISED
from torchvision import transforms
from torchvision.models._meta import _IMAGENET_CATEGORIES

from visavis.models.clip import CLIPConfig
from visavis.zoo.architectures import ARCHITECTURES
from visavis.zoo.published import Published, find_published, read_published

ROWS = list(read_published().values())
CLIP_ROWS = [row for row in ROWS if row.source in ("openai", "open_clip")]
TIMM_ROWS = [row for row in ROWS if row.source == "timm"]
TORCHVISION_ROWS = [row for row in ROWS if any("_Weights." in alias for alias in row.aliases)]


def by_name(row: Published) -> str:
    return row.name


def test_the_maker_writes_the_very_table():
    made = to_csv(list(make_rows()))
    assert made == (resources.files("visavis.zoo") / "published.csv").read_text(encoding="utf-8")


# open_clip and OpenAI


def test_every_tag_of_open_clip_is_there():
    plain = {name for name, config in ARCHITECTURES.items() if isinstance(config, CLIPConfig)}
    pairs = [pair for pair in open_clip.list_pretrained() if pair[0].removesuffix("-quickgelu") in plain]
    assert {found.name for model, tag in pairs if (found := find_published(f"{model}::{tag}"))} == set(
        map(by_name, CLIP_ROWS)
    )
    assert all(find_published(f"{model}::{tag}") for model, tag in pairs)


def test_every_model_of_openai_is_there():
    found = {name: find_published(name if "/" in name else f"{name}.openai") for name in openai_models()}
    assert {name: row and row.url for name, row in found.items()} == openai_models()
    assert {row.name for row in found.values() if row} == {row.name for row in ROWS if row.source == "openai"}


@pytest.mark.parametrize("row", CLIP_ROWS, ids=by_name)
def test_preprocessing_and_activation_of_open_clip(row):
    model, _, tag = row.name.partition(".")
    found = open_clip.get_pretrained_cfg(model, tag)
    config = open_clip.get_model_config(row.architecture)  # the very name, "-quickgelu" included
    assert config.get("quick_gelu", False) == found.get("quick_gelu", False) == (row.activation == "quickgelu")
    known = {key: found[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    theirs = image_transform_v2(PreprocessCfg(size=config["vision_cfg"]["image_size"], **known), is_train=False)
    squashed = row.resize_mode == "squash"
    assert steps_of(theirs) == {**steps_of_ours(row), "crop": None if squashed else row.image_size}
    assert row.resize == row.image_size  # what is squashed needs no crop


@pytest.mark.parametrize("row", CLIP_ROWS, ids=by_name)
def test_files_of_open_clip(row, monkeypatch):
    asked = []

    def refuse(repo_id: str, filename: str, **_: Any) -> str:
        asked.append((repo_id, filename))
        raise OSError

    monkeypatch.setattr(open_clip_registry, "hf_hub_download", refuse)
    model, _, tag = row.name.partition(".")
    with pytest.raises(FileNotFoundError):
        open_clip_registry.download_pretrained(open_clip.get_pretrained_cfg(model, tag))
    assert [filename for _, filename in asked] == list(row.filenames)
    # False for a corrected row once open_clip has mended its registry: then the correction can go.
    assert ({repo for repo, _ in asked} == {row.repo}) == (row.name not in CORRECTED_REPOS)


# timm


def test_every_tag_of_timm_is_there():
    plain = {name for name, config in ARCHITECTURES.items() if not isinstance(config, CLIPConfig)}
    names = [name for name in timm.list_pretrained() if name.partition(".")[2] not in SELF_SUPERVISED]
    deits = {name for name in names if name.startswith("deit_") and "distilled" not in name}
    assert {name for name in names if name.partition(".")[0] in plain} | deits == set(map(by_name, TIMM_ROWS))


@pytest.mark.parametrize("row", TIMM_ROWS, ids=by_name)
def test_timm(row):
    found = timm.get_pretrained_cfg(row.name)
    assert (found.hf_hub_id, found.num_classes, found.url) == (row.repo, row.num_classes, row.url)
    assert row in TORCHVISION_ROWS or (found.license or "not stated") == row.license.casefold()
    if row not in TORCHVISION_ROWS:  # those follow torchvision, below
        config = timm.data.resolve_data_config({}, pretrained_cfg=found.to_dict())
        assert steps_of(timm.data.create_transform(**config)) == steps_of_ours(row)


@pytest.mark.parametrize("name", ["resnet18.a1_in1k", "resnet50.bamboo", "vit_tiny_patch16_224.augreg_in21k"])
def test_parameters_of_timm(name):
    with torch.device("meta"):
        model = timm.create_model(name)  # with the head that the tag has
    assert sum(weight.numel() for weight in model.parameters()) == read_published()[name].params


# torchvision


def test_every_vit_of_torchvision_is_there():
    vits = [name for name in torchvision.models.list_models() if name.startswith("vit_")]
    names = {f"{name}.{weights.name}" for name in vits for weights in torchvision.models.get_model_weights(name)}
    assert names == {row.name for row in ROWS if row.source == "torchvision"}


def test_every_file_of_torchvision_that_timm_carries_has_its_name():
    named = {row.name for row in TIMM_ROWS if row.name.partition(".")[2].startswith("tv")}
    assert named == {row.name for row in TORCHVISION_ROWS if row.source == "timm"}


@pytest.mark.parametrize("row", TORCHVISION_ROWS, ids=by_name)
def test_torchvision(row):
    (alias,) = row.aliases
    weights = torchvision.models.get_weight(alias)
    assert weights.url == row.url
    assert weights.meta["num_params"] == row.params
    assert weights.meta["categories"] == _IMAGENET_CATEGORIES
    preset = weights.transforms()
    ours = row.preprocess
    assert (preset.crop_size, preset.resize_size) == ([ours.image_size], [ours.resize])
    assert (preset.interpolation.value, ours.resize_mode) == (ours.interpolation, "shortest")
    assert (tuple(preset.mean), tuple(preset.std)) == (ours.mean, ours.std)


# Names of classes


def test_class_names_are_in_the_order_of_every_head():
    names = (resources.files("visavis.zoo") / "imagenet1k.txt").read_text(encoding="utf-8").splitlines()
    assert names == _IMAGENET_CATEGORIES
    lemmas = timm.data.ImageNetInfo("imagenet-1k").label_descriptions()
    differ = [(name, lemma) for name, lemma in zip(names, lemmas, strict=True) if name != lemma.partition(",")[0]]
    assert differ == [("crane bird", "crane"), ("maillot tank suit", "maillot, tank suit")]


def steps_of(transform: Any) -> dict[str, Any]:
    """What a peer's composed transform does, in our words."""
    steps: dict[str, Any] = {"crop": None}
    for step in transform.transforms:
        if isinstance(step, transforms.Resize):
            size = step.size if isinstance(step.size, int) else tuple(step.size)
            steps |= {"resize": size, "interpolation": step.interpolation.value}
        elif isinstance(step, transforms.CenterCrop):
            steps["crop"] = step.size[0]
        elif isinstance(step, transforms.Normalize):
            steps |= {"mean": as_tuple(step.mean), "std": as_tuple(step.std)}
    return steps


def as_tuple(values: Any) -> tuple[float, ...]:
    return tuple(torch.as_tensor(values, dtype=torch.float32).tolist())


def steps_of_ours(row: Published) -> dict[str, Any]:
    ours = row.preprocess
    return {
        "crop": ours.image_size,
        "resize": (ours.resize, ours.resize) if ours.resize_mode == "squash" else ours.resize,
        "interpolation": ours.interpolation,
        "mean": as_tuple(ours.mean),
        "std": as_tuple(ours.std),
    }
