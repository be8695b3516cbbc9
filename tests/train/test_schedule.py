from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch

from visavis.train.recipe import TrainConfig
from visavis.train.schedule import build_optimizer, learning_rate
from visavis.zoo.architectures import build_model, find_config


def config(**values) -> TrainConfig:
    usual = {
        "architecture": "ViT-mini-8",
        "data": "emoji-training",
        "objective": "contrastive",
        "samples": 1000,
        "batch_size": 10,
        "learning_rate": 0.01,
        "warmup_samples": 200,
    }
    return TrainConfig(**{**usual, **values})


def test_warm_up_is_linear_in_images_seen():
    # After the first step 10 of 200 images are seen: 0.01 / 20; after the tenth, half of the peak.
    assert learning_rate(config(), 0) == pytest.approx(0.0005)
    assert learning_rate(config(), 9) == pytest.approx(0.005)


def test_peak_middle_and_end():
    run = config()  # 100 steps, 20 of them warm up, so the cosine's middle is step 60
    rates = [learning_rate(run, step) for step in range(run.steps)]
    assert max(rates) == rates[19] == rates[20] == 0.01
    assert rates[60] == pytest.approx(0.005)
    assert rates[40] == pytest.approx(0.01 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert 0 < rates[-1] < 0.01 * 0.001
    assert learning_rate(run, run.steps) == pytest.approx(0, abs=1e-12)
    assert all(late < early for early, late in itertools.pairwise(rates[20:]))


@pytest.mark.parametrize("warmup", [0, 5, 13, 990])
def test_any_warm_up_stays_between_zero_and_the_peak(warmup):
    run = config(warmup_samples=warmup)
    rates = [learning_rate(run, step) for step in range(run.steps)]
    assert min(rates) >= 0
    assert max(rates) == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["resnet-mini", "vit-mini-patch8", "RN-mini", "ViT-mini-8"])
def test_biases_norms_and_the_logit_scale_do_not_decay(name):
    architecture = find_config(name)
    model = build_model(architecture, seed=0)
    decaying, free = build_optimizer(model, config(weight_decay=0.1)).param_groups
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decays = {names[id(parameter)] for parameter in decaying["params"]}
    stays = {names[id(parameter)] for parameter in free["params"]}
    assert decays | stays == set(names.values())
    assert not decays & stays
    one_axis = {"bias", "logit_scale", "class_embedding", "in_proj_bias"}
    for parameter in stays:
        layer, _, kind = parameter.rpartition(".")
        norm = kind == "weight" and isinstance(model.get_submodule(layer), torch.nn.BatchNorm2d | torch.nn.LayerNorm)
        assert norm or kind in one_axis, parameter
    assert not any(name.endswith("bias") or ".bn" in name or ".ln" in name for name in decays)


def test_momenta_follow_the_papers():
    model = build_model(find_config("ViT-mini-8"), seed=0)
    assert build_optimizer(model, config()).param_groups[0]["betas"] == (0.9, 0.98)  # CLIP's table 18
    labels = config(objective="labels")
    assert build_optimizer(model, labels).param_groups[0]["betas"] == (0.9, 0.999)


def test_recipes_are_found():
    assert len(list((Path(__file__).parents[2] / "recipes").glob("*.toml"))) >= 3
