from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
import sys
from collections import Counter
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.inspection.cost import count_macs, count_params
from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.resnet import ResNetConfig
from visavis.zoo.architectures import Config, find_config, outline_model
from visavis.zoo.preprocess import CLIP_MEAN, IMAGENET_STD
from visavis.zoo.published import Published, find_published, list_published, read_published

ROWS = list_published()


def config_of(row: Published) -> Config:
    """The architecture at the row's image size, with the row's head."""
    config = find_config(row.architecture)
    if isinstance(config, CLIPConfig):
        return dataclasses.replace(config, visual=dataclasses.replace(config.visual, image_size=row.image_size))
    return dataclasses.replace(config, image_size=row.image_size, num_classes=row.num_classes)


def activation_of(config: Config) -> str:
    """What the row should say of the nonlinearity."""
    if isinstance(config, ResNetConfig):
        return "relu"
    if not isinstance(config, CLIPConfig):
        return config.activation
    assert isinstance(config.visual, CLIPResNetConfig) or config.visual.activation == config.text.activation
    return config.text.activation


@functools.cache
def cost(config: Config) -> tuple[int, int]:
    """Parameters, and MACs of one image."""
    model = outline_model(config)
    tower = model.visual if isinstance(model, CLIP) else model
    return count_params(model), count_macs(tower, config.image_size)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_describes_the_network_that_it_names(row):
    config = config_of(row)
    assert cost(config) == (row.params, row.macs)
    assert row.activation == activation_of(config)
    assert row.preprocess.image_size == config.image_size
    assert (row.num_classes == 0) == (row.classes == "")


def test_the_costs_are_those_of_the_literature():
    # tests/models/architectures.csv, counted on the live libraries
    assert read_published()["resnet50.tv_in1k"].params == 25_557_032
    assert read_published()["resnet50.tv_in1k"].macs == 4_089_184_256
    assert read_published()["ViT-B-32.openai"].params == 151_277_313
    assert read_published()["RN50.openai"].params == 102_007_137


def test_how_many_there_are():
    # open_clip 3.3.0 lists 70 tags of the plain CLIPs, nine of them OpenAI's; torchvision 0.29.1 ten ViTs
    assert Counter(row.source for row in ROWS) == {"timm": 120, "torchvision": 10, "openai": 9, "open_clip": 61}


def test_names_are_unique():
    assert len({row.name.casefold() for row in ROWS}) == len(ROWS)
    aliases = [alias.casefold() for row in ROWS for alias in row.aliases]
    assert len(set(aliases)) == len(aliases)
    repos = [row.repo.casefold() for row in ROWS if row.repo]
    assert len(set(repos)) == len(repos)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row):
    assert re.fullmatch(r"[\w-]+\.\w+", row.name)
    assert (row.repo == "") == (row.filename == "")
    assert row.repo or row.url.endswith(".pth")
    assert row.license in {"MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-NC-4.0", "Apple-ASCL", "not stated"}
    assert row.classes in {"", "imagenet1k", "imagenet21k", "bamboo"}
    assert row.training_data
    assert row.origin
    assert re.fullmatch(r"|[\d.]+[MB]( \+ [\d.]+[MB])*", row.samples)
    if row.samples:
        assert row.samples.count("+") == row.training_data.count("+")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("ViT-B-32.openai", "ViT-B-32.openai"),
        ("vit-b-32.OPENAI", "ViT-B-32.openai"),
        ("ViT-B/32", "ViT-B-32.openai"),
        ("ViT-L/14@336px", "ViT-L-14-336.openai"),
        ("ViT-B-32::laion2b_s34b_b79k", "ViT-B-32.laion2b_s34b_b79k"),
        ("ViT-B-32::laion2B-s34B-b79K", "ViT-B-32.laion2b_s34b_b79k"),
        ("ViT-B-32-quickgelu::openai", "ViT-B-32.openai"),
        ("ViT-B-32::openai", "ViT-B-32.openai"),
        ("ViT-B-32-quickgelu.openai", "ViT-B-32.openai"),
        ("RN50-quickgelu::yfcc15m", "RN50.yfcc15m"),
        ("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "ViT-B-32.laion2b_s34b_b79k"),
        ("hf-hub:timm/resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("hf_hub:timm/resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("hf-hub:timm/vit_base_patch32_clip_224.metaclip_2pt5b", "ViT-B-32.metaclip_fullcc"),
        ("ResNet50_Weights.IMAGENET1K_V2", "resnet50.tv2_in1k"),
        ("ViT_B_16_Weights.IMAGENET1K_V1", "vit_b_16.IMAGENET1K_V1"),
        ("vit_b_16.IMAGENET1K_V1", "vit_b_16.IMAGENET1K_V1"),
    ],
)
def test_aliases(alias, name):
    assert find_published(alias) is read_published()[name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "RN50",  # OpenAI's name for its weights, and everybody's for the architecture
        "resnet50",  # timm's default tag, and everybody's architecture
        "ViT-B-32",
        "ViT-B-32-quickgelu::laion2b_s34b_b79k",  # trained with plain GELU; open_clip lists no such pair
        "ViT-B-32::nothing",
        "hf-hub:",
        "hf-hub:openai/clip-vit-base-patch32",  # transformers' repository holds another file
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "resnet50.",
    ],
)
def test_what_names_no_row(name):
    assert find_published(name) is None


@given(st.sampled_from(ROWS), st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_every_spelling_of_a_row_finds_it(row, change):
    architecture, _, tag = row.name.partition(".")
    spellings = [row.name, *row.aliases, f"{architecture}::{tag}"]
    spellings += [f"hf-hub:{row.repo}"] if row.repo else []
    assert all(find_published(change(spelling)) is row for spelling in spellings)


def test_patterns():
    assert [row.name for row in list_published("RN50.*")] == ["RN50.openai", "RN50.yfcc15m", "RN50.cc12m"]
    assert [row.name for row in list_published("rn50x*")] == ["RN50x4.openai", "RN50x16.openai", "RN50x64.openai"]
    assert [row.name for row in list_published("vit-l/14*")] == ["ViT-L-14.openai", "ViT-L-14-336.openai"]
    assert list_published("nothing") == []


def test_preprocessing_by_name():
    squashed = read_published()["ViT-H-14-378.dfn5b"].preprocess
    assert (squashed.image_size, squashed.resize, squashed.resize_mode) == (378, 378, "squash")
    assert squashed.mean == CLIP_MEAN
    torchvision = read_published()["resnet50.tv2_in1k"].preprocess  # ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert (torchvision.image_size, torchvision.resize, torchvision.interpolation) == (224, 232, "bilinear")
    assert torchvision.std == IMAGENET_STD
    half = read_published()["ViT-L-14.laion2b_s32b_b82k"].preprocess  # the one LAION model without CLIP's mean
    assert half.mean == half.std == (0.5, 0.5, 0.5)


def test_names_to_try_on_the_hub():
    clip, resnet = read_published()["ViT-B-32.openai"], read_published()["resnet50.a1_in1k"]
    assert clip.filenames == ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    assert resnet.filenames == ("model.safetensors", "pytorch_model.bin")


def test_class_names_of_imagenet():
    lines = (resources.files("visavis.zoo") / "imagenet1k.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) == 1000
    assert (lines[0], lines[7], lines[207], lines[517], lines[999]) == (
        "tench",
        "cock",
        "golden retriever",
        "crane",
        "toilet tissue",
    )


def test_reading_the_table_imports_nothing_heavy():
    code = (
        "import sys; from visavis.zoo.published import find_published, list_published;"
        "assert list_published('*openai') and find_published('ViT-B/32');"
        "print(*sorted({'torch', 'numpy', 'pandas', 'PIL', 'huggingface_hub'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == ""
