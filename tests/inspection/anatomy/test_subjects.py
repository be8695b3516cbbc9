"""What can be opened: names, sizes, files, modules and encoders; weights are not touched and take no memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.inspection.anatomy.anatomy import inspect
from visavis.zoo.architectures import ARCHITECTURES, build_model


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_of_the_catalogue(name):
    anatomy = inspect(name)
    config = ARCHITECTURES[name]
    assert anatomy.macs > 0
    assert (anatomy.text_macs is not None) == hasattr(config, "text")
    assert anatomy.towers[0].input_shape == (3, config.image_size, config.image_size)
    for tower in anatomy.towers:
        assert [part.role for part in tower.parts if part.role == "stage"]
        assert {part.role for part in tower.parts} <= {"stem", "stage", "pooling", "head"}
        assert sum(part.params for part in tower.parts) == tower.root.params
        assert sum(part.macs for part in tower.parts) == tower.root.macs
        depths = [part.depth for part in tower.parts]
        assert depths == sorted(depths)
        assert depths[-1] == 1
    assert anatomy.rules
    assert len(anatomy.growth) > 8
    assert anatomy.notes == ()
    assert anatomy.layers["output_shape"].notna().all()


MEASURE = """
import json, resource, sys, time
import torch
import visavis.inspection.anatomy.anatomy as opening
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
anatomy = opening.inspect(sys.argv[1])
seconds = time.process_time() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"params": anatomy.params, "mib": (after - before) / 1024, "seconds": seconds}))
"""


@pytest.mark.parametrize(("name", "params"), [("ViT-bigG-14", 2_539_567_105), ("ViT-L-14", 427_616_513)])
def test_no_gigabytes(name, params):
    """2.5 billion parameters would be 10 GB; a tree of some hundred layers is a few MB."""
    done = subprocess.run([sys.executable, "-c", MEASURE, name], capture_output=True, encoding="utf-8", check=True)
    measured = json.loads(done.stdout)
    assert measured["params"] == params
    assert measured["mib"] < 150


def test_a_tag_is_its_architecture():
    tagged, plain = inspect("ViT-B-32.openai"), inspect("ViT-B-32-quickgelu")
    assert tagged.name == "ViT-B-32.openai"
    assert "quickgelu" in tagged.settings
    assert tagged.macs == plain.macs
    assert tagged.layers.equals(plain.layers)


@pytest.mark.parametrize(("name", "size", "shape"), [("resnet50", 320, (2048, 10, 10)), ("RN50", 288, (2048, 9, 9))])
def test_another_size_in_the_name_or_beside_it(name, size, shape):
    beside, within = inspect(name, image_size=size), inspect(f"{name}@{size}")
    assert beside.layers.equals(within.layers)
    assert beside.towers[0].input_shape == (3, size, size)
    assert [part.output_shape for part in beside.stages if part.role == "stage"][-1] == shape
    assert beside.macs > inspect(name).macs


def test_a_size_that_patches_do_not_divide():
    with pytest.raises(
        UsageError, match="inspected at 100 pixels: image_size must be a multiple of patch_size, not 100"
    ):
        inspect("ViT-B-32", image_size=100)


@pytest.mark.parametrize("name", ["ViT-B-23", "resnet5O", "resnet50.tv_in2k", "RN50@", "no/such/file.pt", ""])
def test_unknown_names(name):
    with pytest.raises(UsageError, match="visavis list"):
        inspect(name)


def test_files_modules_and_encoders_are_one_network(models):
    """A file's weights, the encoder that loads them, its module, and an architecture of that shape."""
    for path in models:
        encoder = load(path)
        by_path, by_encoder, by_module = inspect(path), inspect(encoder), inspect(encoder.model)
        assert by_path.layers.equals(by_encoder.layers)
        assert by_path.layers.equals(by_module.layers)
        assert by_path.name == path
        assert by_path.family == by_encoder.family == by_module.family == encoder.family
        assert by_path.growth == by_module.growth
        assert by_path.params == sum(parameter.numel() for parameter in encoder.model.parameters())


def test_an_encoder_keeps_its_weights(models):
    encoder = load(models.clip_vit)
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    inspect(encoder)
    assert all(torch.equal(value, before[name]) for name, value in encoder.model.state_dict().items())
    assert not encoder.model.training


def test_a_path_object(models):
    assert inspect(Path(models.resnet)).params == inspect(models.resnet).params


def test_a_damaged_file(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(Exception, match=r"weights\.safetensors") as raised:
        inspect(str(tmp_path / "weights.safetensors"))
    assert type(raised.value).__module__ == "visavis.errors"


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_an_encoder_of_any_engine(models, engine):
    assert inspect(load(models.vit, engine=engine)).macs == inspect(models.vit).macs


def test_a_built_network_is_as_its_name_says():
    network = build_model(ARCHITECTURES["resnet18"])
    assert inspect(network).layers.equals(inspect("resnet18").layers)
    assert inspect(network).name == "ResNet"
    assert inspect(network, image_size=128).towers[0].input_shape == (3, 128, 128)
