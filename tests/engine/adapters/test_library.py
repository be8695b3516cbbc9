"""What the adapters do without the libraries: names, missing and broken ones, failures in our words, first trials."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn

from visavis.engine.adapters import EXAMPLES, MODULES, find_adapter
from visavis.engine.adapters.library import (
    architecture_of,
    family_of,
    import_library,
    in_our_words,
    offered,
    preprocess_of,
    published_facts,
    seeded,
    settled,
    try_out,
)
from visavis.engine.load import load
from visavis.errors import UsageError, VisavisError
from visavis.zoo.architectures import Family

LINES = {
    "timm": "pip install timm",
    "open_clip": "pip install open_clip_torch",
    "hf": 'pip install "transformers>=4.56"',
}
LIBRARIES = {"timm": "timm", "open_clip": "open_clip", "hf": "transformers"}


@pytest.mark.parametrize("name", EXAMPLES.values())
def test_a_missing_library_gives_the_line_that_installs_it(name, monkeypatch):
    prefix = name.partition("/")[0]
    monkeypatch.setitem(sys.modules, LIBRARIES[prefix], None)  # as if it were not installed
    for weights in ("auto", None):
        with pytest.raises(UsageError) as caught:
            load(name, weights=weights)
        words = str(caught.value)
        assert words.startswith(f"This model needs the library {LIBRARIES[prefix]}, which is not installed here.")
        assert words.endswith(f"Install it: {LINES[prefix]}.")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise RuntimeError('operator does\\nnot exist')", "RuntimeError: operator does not exist"),
        ("import a_part_that_is_not_here", "ModuleNotFoundError: No module named 'a_part_that_is_not_here'"),
    ],
)
def test_a_broken_library_says_why(content, reason, tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(VisavisError) as caught:
        import_library("broken_library", "broken-library")
    assert not isinstance(caught.value, UsageError)
    assert f"installed, but its import fails ({reason})" in str(caught.value)
    assert "pip install --upgrade broken-library torchvision" in str(caught.value)


def test_which_names_are_a_librarys(tmp_path, monkeypatch):
    for name in (
        "resnet50",
        "timm",
        "hf",
        "ViT-B/32",
        "Timm/resnet50",
        "timm.resnet50",
        "vit/timm/x",
        "",
        Path("timm/resnet50"),
    ):
        assert find_adapter(name) is None
    assert all(find_adapter(name) is not None for name in EXAMPLES.values())
    (tmp_path / "hf" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_adapter("hf/mine") is None  # a path that is there is a path
    assert find_adapter("hf/yours") is not None


@pytest.mark.parametrize("prefix", MODULES)
def test_nothing_behind_the_prefix(prefix):
    with pytest.raises(
        UsageError, match=f"'{prefix}/' names no model. Write one behind it, such as {EXAMPLES[prefix]}"
    ):
        find_adapter(f"{prefix}/")


def test_load_hands_weights_and_seed_on(monkeypatch):
    import visavis.engine.adapters.timm

    asked = []
    monkeypatch.setattr(visavis.engine.adapters.timm, "open_parts", lambda *arguments: asked.append(arguments))
    find_adapter("timm/hf-hub:owner/name")("auto", 3)
    find_adapter("timm/resnet18.a1_in1k")(None, 4)
    assert asked == [("hf-hub:owner/name", "auto", 3), ("resnet18.a1_in1k", None, 4)]
    for refused in ({"architecture": "resnet18"}, {"image_size": 64}):
        with pytest.raises(UsageError, match="'timm/resnet18' comes with its own architecture and image size"):
            load("timm/resnet18", **refused)


class OfflineModeIsEnabled(ConnectionError):  # noqa: N818  # the name is what counts
    """As huggingface_hub's: known by its name."""


class LocalEntryNotFoundError(FileNotFoundError):
    """As huggingface_hub's: known by its name."""


def caused(outer: Exception, cause: Exception) -> Exception:
    outer.__cause__ = cause
    return outer


NOT_HERE = "'timm/x' is not on this machine, and huggingface_hub was told to stay offline. Unset HF_HUB_OFFLINE"
REFUSED = OSError("401 Client Error")
REFUSED.response = SimpleNamespace(status_code=401, headers={"X-Error-Code": "GatedRepo"})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("a\n  b."), "'timm/x' could not be opened: its library says RuntimeError: a b. Look whether"),
        (ValueError("z" * 5000), f"ValueError: {'z' * 400}…. Look whether"),
        (KeyError(), "its library says KeyError: nothing more. Look"),
        (caused(RuntimeError("r"), OfflineModeIsEnabled("o")), NOT_HERE),
        (caused(OSError("r"), LocalEntryNotFoundError("l")), NOT_HERE),
        (
            caused(LocalEntryNotFoundError("l"), caused(OSError("c"), socket.gaierror(-2, "Name"))),
            "Cannot fetch timm/x (weights and settings of timm/x): https://huggingface.co is not found",
        ),
        (caused(RuntimeError("r"), REFUSED), "timm/x (weights and settings of timm/x) is gated: its owners want"),
    ],
)  # fmt: skip
def test_failures_in_our_words(error, words, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with pytest.raises(VisavisError) as caught, in_our_words("timm/x", "timm/x"):
        raise error
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, UsageError)
    assert caught.value.__cause__ is error


def test_own_errors_and_interrupts_pass_through():
    for error in (UsageError("mine"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, in_our_words("x"):
            raise error
        assert caught.value is error


def test_causes_in_a_circle_come_to_an_end():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    with pytest.raises(VisavisError, match="ValueError: one"), in_our_words("x"):
        raise one


def test_a_seed_draws_the_same_and_leaves_the_generator():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        with seeded(seed):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_settled_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).half().train()
    done = settled(network)
    assert {tensor.dtype for tensor in done.parameters()} == {torch.float32}
    assert not any(module.training for module in done.modules())
    assert not any(tensor.requires_grad for tensor in done.parameters())
    assert done[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_trial_tells_the_length():
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    assert try_out("x", pool, 24) == 12


@pytest.mark.parametrize(
    ("encode", "words"),
    [
        (lambda images: {"vectors": images}, "one image gives dict, not one vector"),
        (lambda images: images, r"one image gives \(1, 3, 8, 8\), not one vector"),
        (lambda images: images.mean(), r"one image gives \(\), not one vector"),
        (lambda images: torch.zeros(2, 4), r"one image gives \(2, 4\), not one vector"),
        (lambda images: images @ torch.zeros(5, 5), r"given one image of 8 pixels, it fails \(RuntimeError: "),
        (lambda images: torch.rand(1, 4), "gives another vector of the same image each time"),
    ],
)
def test_networks_without_an_image_tower(encode, words):
    with pytest.raises(UsageError, match=words) as caught:
        try_out("timm/x", encode, 8)
    assert "'timm/x'" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("crop_mode 'border' is none of center, squash"), "(crop_mode 'border' is none of center, squash)"),
        (KeyError("image_mean"), "(it lacks 'image_mean')"),
        (TypeError("float() argument"), "(float() argument)"),
    ],
)
def test_preprocessing_that_cannot_be_done(error, words):
    def read():
        raise error

    with pytest.raises(UsageError) as caught:
        preprocess_of("hf/x", read)
    assert str(caught.value).startswith(f"'hf/x' demands of its images what visavis cannot do {words}. Choose")


def network(*names: str, **attributes: nn.Module) -> nn.Module:
    """A network whose class has such names in its line of descent."""
    kind: type = nn.Module
    for name in names:
        kind = type(name, (kind,), {})
    made = kind()
    for name, module in attributes.items():
        setattr(made, name, module)
    return made


def test_how_a_network_is_built():
    assert architecture_of(network("ResNet")) == "resnet"
    assert architecture_of(network("ModifiedResNet")) == "resnet"
    assert architecture_of(network("ResNet", "SomeVariant")) == "resnet"
    assert architecture_of(network("VisionTransformer", "VisionTransformerDistilled")) == "vit"
    assert architecture_of(network("VisionTransformer", patch_embed=network("HybridEmbed"))) == "other"
    assert architecture_of(network("ConvNeXt")) == "other"


def test_families_are_those_that_are_known():
    made = {
        family_of(training, architecture)
        for training in ("supervised", "clip", "other")
        for architecture in ("resnet", "vit", "other")
    }
    assert made == set(get_args(Family))


def test_facts_come_from_the_catalogue():
    assert published_facts("ViT-B-32::laion2b_s34b_b79k")["license"] == "MIT"
    assert published_facts("resnet50.a1_in1k")["trained_on"] == "ImageNet-1k"
    assert published_facts("convnext_tiny.fb_in22k") == {}


def test_offers():
    names = [f"resnet50.a{number}" for number in range(1, 10)]
    assert offered("resnet50.a12", names).startswith("Did you mean resnet50.a")
    assert offered("", names) == f"It has {', '.join(names[:6])} and 3 more."
    assert offered("", names[:2]) == "It has resnet50.a1, resnet50.a2."


def test_the_command_says_it_in_one_line(visavis, photos, tmp_path):
    (tmp_path / "timm.py").write_text("raise ModuleNotFoundError('no timm', name='timm')")
    called = visavis(
        "compare", "timm/resnet18", "resnet-mini.emoji", "--data", photos, environment={"PYTHONPATH": str(tmp_path)}
    )
    assert "Install it: pip install timm." in called.failed(code=2)
