"""Traps in the numbers, planted in files: not a number, constant, untrained, rounded, copied."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from visavis.zoo.architectures import build_model
from visavis.zoo.checkpoint import save_checkpoint


def test_not_a_number(folder):
    files = folder("vit", "timm")

    def plant(tensors):
        tensors["blocks.1.attn.qkv.weight"][3, 4] = math.nan
        tensors["blocks.2.norm1.bias"][0] = math.inf

    files.plant(plant)
    found = files.finding("NaN and infinity")
    assert found.verdict == "bad"
    assert found.found.startswith("2 weights")
    assert "blocks.1.attn.qkv.weight (1 of 3072)" in found.found
    assert "blocks.2.norm1.bias" in found.found


def test_constant_weights(folder):
    files = folder("vit", "timm")
    files.plant(lambda tensors: tensors["blocks.0.mlp.fc2.weight"].zero_())
    assert "blocks.0.mlp.fc2.weight" in files.finding("constant weights").found
    assert files.finding("constant weights").verdict == "bad"


def test_norms_that_silence_their_block(folder):
    files = folder("resnet", "timm")
    files.plant(lambda tensors: tensors["layer2.1.bn3.weight"].zero_())
    found = files.finding("constant weights")
    assert (found.verdict, "layer2.1.bn3.weight" in found.found) == ("warning", True)


def test_variances_of_batch_norm(folder):
    files = folder("resnet", "timm")
    files.plant(lambda tensors: tensors["layer1.0.bn2.running_var"][1:2].fill_(0))
    assert files.finding("batch norm").verdict == "warning"
    files.plant(lambda tensors: tensors["layer1.0.bn2.running_var"][1:2].fill_(-1e-3))
    found = files.finding("batch norm")
    assert (found.verdict, "layer1.0.bn2.running_var" in found.found) == ("bad", True)


def test_statistics_that_were_never_collected(folder):
    files = folder("resnet", "timm")
    files.plant(lambda tensors: [t.fill_(1) for name, t in tensors.items() if name.endswith("running_var")])
    found = files.finding("batch norm")
    assert (found.verdict, "never collected" in found.found) == ("bad", True)
    files.plant(lambda tensors: [t.fill_(9) for name, t in tensors.items() if name.endswith("batches_tracked")])
    assert files.finding("batch norm").verdict == "good"


@pytest.mark.parametrize(("dtype", "said"), [(torch.float16, "1e-3"), (torch.bfloat16, "1e-2")])
def test_half_precision(folder, dtype, said):
    files = folder("vit", "timm")
    assert files.finding("precision").verdict == "good"
    files.plant(lambda tensors: tensors.update({name: t.to(dtype) for name, t in tensors.items()}))
    found = files.finding("precision")
    assert found.verdict == "warning"
    assert "nothing is lost" in found.found
    assert said in found.found


@pytest.mark.parametrize(
    ("value", "verdict", "said"),
    [
        (4.6052, "good", "= 100"),
        (4.8, "warning", "clips"),
        (100.0, "bad", "4.6052"),
        (14.2857, "bad", "2.6593"),
        (-1.0, "bad", "between 0"),
        (2.6593, "warning", "before training"),
    ],
)
def test_the_logit_scale(folder, value, verdict, said):
    files = folder("clip-vit", "open_clip")
    files.plant(lambda tensors: tensors["logit_scale"].fill_(value))
    found = files.finding("logit scale")
    assert found.verdict == verdict
    assert said in found.found + found.remedy


def test_a_block_copied_over_another(folder):
    files = folder("vit", "timm")
    files.plant(lambda tensors: tensors["blocks.2.mlp.fc1.weight"].copy_(tensors["blocks.0.mlp.fc1.weight"]))
    found = files.finding("copies")
    assert (found.verdict, "blocks.0.mlp.fc1.weight = blocks.2.mlp.fc1.weight" in found.found) == ("warning", True)


def test_towers_that_could_have_been_exchanged(folder, trained):
    config = trained("clip-vit").config
    twins = dataclasses.replace(
        config, text=dataclasses.replace(config.text, width=config.visual.width, layers=config.visual.layers)
    )
    state = {name: value * 1.7 for name, value in build_model(twins, seed=0).state_dict().items()}
    assert folder("clip-vit", "open_clip", config=twins, state=state).finding("copies").verdict == "unknown"
    assert folder("clip-vit", "hf").finding("copies").verdict == "good"


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip-resnet", "clip-vit"])
def test_weights_that_were_never_trained(trained, finding_of, tmp_path, kind):
    checkpoint = trained(kind)
    save_checkpoint(tmp_path / "trained.safetensors", checkpoint)
    assert finding_of(tmp_path / "trained.safetensors", "training").verdict == "good"
    fresh = build_model(checkpoint.config, seed=3).state_dict()
    save_checkpoint(tmp_path / "fresh.safetensors", dataclasses.replace(checkpoint, state=fresh))
    found = finding_of(tmp_path / "fresh.safetensors", "training")
    assert (found.verdict, "look untrained" in found.found) == ("bad", True)


def test_one_tower_that_was_never_trained(folder, trained):
    checkpoint = trained("clip-vit")
    fresh = build_model(checkpoint.config, seed=3).state_dict()
    state = {name: fresh[name] if name.startswith("text.") else value for name, value in checkpoint.state.items()}
    found = folder("clip-vit", "open_clip", state=state).finding("training")
    assert (found.verdict, "The text tower's weights look untrained" in found.found) == ("bad", True)
