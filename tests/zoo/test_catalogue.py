from __future__ import annotations

import fnmatch
from importlib import resources
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import visavis
from visavis.data.emoji import read_emoji
from visavis.errors import UsageError
from visavis.zoo.architectures import (
    ARCHITECTURES,
    config_from_dict,
    config_to_dict,
    count_blocks,
    find_config,
)
from visavis.zoo.catalogue import COLUMNS, EMBEDDED, describe_models, list_models
from visavis.zoo.checkpoint import save_checkpoint
from visavis.zoo.finding import find_checkpoint, fresh_checkpoint
from visavis.zoo.published import read_published


def test_everything_is_listed_once():
    names = list_models()
    assert set(names) == {*ARCHITECTURES, *EMBEDDED, *read_published()}
    assert len(names) == len(set(names))
    assert names == sorted(names, key=str.casefold)


def test_patterns():
    clips = ["RN50", "RN50.cc12m", "RN50.openai", "RN50.yfcc15m", "RN50x16", "RN50x16.openai", "RN50x4"]
    assert list_models("*RN50*") == [*clips, "RN50x4.openai", "RN50x64", "RN50x64.openai"]
    assert list_models("rn50") == ["RN50"]  # case does not matter
    assert list_models("*.emoji") == sorted(EMBEDDED, key=str.casefold)
    assert list_models("nothing") == []


@pytest.mark.parametrize(
    "pattern", ["ViT-B/32", "vit-b/32", "ViT-B-32::openai", "hf-hub:timm/vit_base_patch32_clip_224.openai"]
)
def test_what_others_call_weights_is_listed_under_our_name(pattern):
    assert list_models(pattern) == ["ViT-B-32.openai"]


@given(st.text(alphabet="RNresvit-mini*?[]0123456789.", max_size=8))
def test_any_pattern_lists_what_it_matches(pattern):
    for name in list_models(pattern):
        row = read_published().get(name)
        known = (name, *(row.aliases if row else ()))
        assert any(fnmatch.fnmatch(one.casefold(), pattern.casefold()) for one in known)


def test_every_name_with_weights_says_all_that_people_choose_by():
    for row in describe_models([*EMBEDDED, *read_published()]):
        assert all(row[column] for column in COLUMNS), row["name"]


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_cost_what_they_say(name):
    assert visavis.inspect(name).macs == EMBEDDED[name]


def test_an_embedded_name_is_an_architecture_with_a_tag():
    assert {name.removesuffix(".emoji") for name in EMBEDDED} <= set(ARCHITECTURES)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_weights_are_what_their_name_says(name):
    found = find_checkpoint(name)
    config = find_config(name.removesuffix(".emoji"))
    shape = {**config_to_dict(config), "num_classes": None}
    assert {**config_to_dict(found.config), "num_classes": None} == shape
    assert (found.class_names is None) == (config_to_dict(config)["family"].startswith("clip"))
    assert found.about["recipe"]["data"] == "emoji-training"
    assert found.about["data_sha256"] == read_emoji("emoji-training").fingerprint  # so no test concept was seen
    assert all(bool(value.isfinite().all()) for value in found.state.values())


def test_embedded_weights_are_small():
    weights = resources.files("visavis.zoo") / "weights"
    assert sum(Path(str(weights / f"{name}.safetensors")).stat().st_size for name in EMBEDDED) <= 25 * 10**6


def test_fresh_weights_follow_their_seed():
    one, same, other = (fresh_checkpoint("ViT-mini-8", seed) for seed in (1, 1, 2))
    name = "visual.conv1.weight"
    assert torch.equal(one.state[name], same.state[name])
    assert not torch.equal(one.state[name], other.state[name])
    assert one.preprocess.image_size == 64


def test_a_file_by_its_path(tmp_path):
    written = fresh_checkpoint("resnet-mini", seed=0)
    path = tmp_path / "a name with spaces, 'quotes' and \U0001f600.safetensors"
    save_checkpoint(path, written)
    for given_path in (path, str(path)):
        assert find_checkpoint(given_path).config == written.config


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet-mini.emojis", r"Unknown model 'resnet-mini.emojis'. Did you mean resnet-mini.emoji"),
        ("RN5O", r"Unknown model 'RN5O'. Did you mean RN50"),
        ("VIT-MINI-8.EMOJI", r"Unknown model 'VIT-MINI-8.EMOJI'. Did you mean ViT-mini-8.emoji"),
        ("ViT-B-23", r"Unknown model 'ViT-B-23'. Did you mean ViT-B-32"),
        ("xyzzy", r"Unknown model 'xyzzy'. +`visavis list` shows all"),
        ("", "Unknown model ''"),
        (
            "ViT-B-32",
            r"'ViT-B-32' names an architecture, not weights. Use weights of it \(ViT-B-32.commonpool",
        ),
        ("nowhere/model.safetensors", "There is no checkpoint file 'nowhere/model.safetensors'"),
        ("model.pt", "There is no checkpoint file 'model.pt'"),
        ("ViT-B/23", "There is no checkpoint file 'ViT-B/23'. Did you mean ViT-B-32"),
        ("a\0b", "Unknown model"),
        ("x" * 300, "Unknown model"),
    ],
)
def test_unknown_names(name, words):
    with pytest.raises(UsageError, match=words) as wrong:
        find_checkpoint(name)
    assert wrong.value.exit_code == 2


def test_unknown_architectures_and_weights():
    with pytest.raises(UsageError, match=r"Unknown architecture 'resnet5O'. Did you mean resnet50"):
        fresh_checkpoint("resnet5O", seed=0)
    with pytest.raises(UsageError, match=r"Unknown model 'RN50.cc12m::RN50'"):
        find_checkpoint("RN50.cc12m::RN50")
    with pytest.raises(UsageError, match=r"architecture='RN50' says what a file is, but there is no file 'RN50.cc12m'"):
        find_checkpoint("RN50.cc12m", architecture="RN50")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_survives_its_description(name):
    config = find_config(name)
    assert config_from_dict(config_to_dict(config)) == config


def test_blocks_are_counted_without_building():
    # resnet50: 3 + 4 + 6 + 3; ViT-L-14: 24 and 12 of the texts; RN50: 16 and 12
    assert [count_blocks(find_config(name)) for name in ("resnet50", "ViT-L-14", "RN50")] == [16, 36, 28]
