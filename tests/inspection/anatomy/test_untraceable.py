"""Networks that cannot be followed: their modules and parameters all the same, and in words what is missing."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_networks import Called, conv
from torch import Tensor, nn

from visavis.errors import UsageError
from visavis.inspection.anatomy.anatomy import inspect


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = conv(3, 4, 3)

    def forward(self, images: Tensor, scale: Tensor) -> Tensor:
        return self.a(images) * scale


def fills(images: Tensor, a: nn.Module) -> Tensor:
    filled = torch.zeros(1, 4)
    filled[:] = a(images).mean((2, 3))  # numbers that are not there, into memory that has some
    return filled


def one_convolution(run: Callable[..., Any]) -> nn.Module:
    return Called(lambda images, a, **_: run(images, a), a=conv(3, 4, 3))


UNTRACEABLE = {  # and the beginning of why
    "a way that numbers choose": (one_convolution(lambda x, a: a(x) if x.mean() > 0 else x), "RuntimeError"),
    "a number": (one_convolution(lambda x, a: a(x) * x.max().item()), "RuntimeError"),
    "a list of numbers": (one_convolution(lambda x, a: a(x) * sum(x.flatten().tolist())), "NotImplementedError"),
    "places that numbers choose": (one_convolution(lambda x, a: a(x)[x.sum((1, 2, 3)) > 0]), "NotImplementedError"),
    "numbers elsewhere": (one_convolution(fills), "NotImplementedError"),
    "a fault of its own": (one_convolution(lambda x, a: a.nothing), "AttributeError: 'Conv2d' object"),
    "two inputs": (TwoInputs(), "TypeError"),
    "other images": (one_convolution(lambda x, a: a(x[:, :2])), "RuntimeError"),
    "what cannot be copied": (one_convolution(lambda x, a: a(x)), "TypeError: cannot pickle"),
    "what never ends": (one_convolution(lambda x, a: endless(x)), "RecursionError"),
}
UNTRACEABLE["what cannot be copied"][0].lock = threading.Lock()


def endless(images: Tensor) -> Tensor:
    return endless(images)


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_tree_and_parameters_remain(name):
    network, reason = UNTRACEABLE[name]
    network.head = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    anatomy = inspect(network, image_size=8)
    root = anatomy.towers[0].root
    assert [(layer.name, layer.kind, layer.params) for layer in root.walk()] == [
        ("", type(network).__name__, 118),
        ("a", "Conv2d", 108),
        ("head", "Sequential", 10),
        ("head.0", "Linear", 10),
        ("head.1", "ReLU", 0),
    ]
    assert (anatomy.params, anatomy.macs, anatomy.stages, anatomy.growth) == (118, None, (), ())
    assert anatomy.kinds == {"Called": 1, "Conv2d": 1, "Sequential": 1, "Linear": 1, "ReLU": 1} or name == "two inputs"
    (note,) = anatomy.notes
    assert note.startswith("Of the image tower only modules and parameters are known")
    for missing in ("shapes", "multiply-accumulates", "receptive fields", "ways between layers"):
        assert missing in note
    assert re.search(rf"without numbers \({re.escape(reason)}", note)
    rows = anatomy.layers
    for unknown in ("macs", "flops", "activation_bytes", "receptive_field", "stride", "centre", "output_shape"):
        assert rows[unknown].isna().all()


def test_such_a_network_has_its_page_and_its_drawing():
    network, _ = UNTRACEABLE["a way that numbers choose"]
    anatomy = inspect(network, image_size=8)
    assert "only modules and parameters are known" in anatomy.to_html()
    assert "only modules and parameters are known" in anatomy.to_json()
    assert anatomy.to_svg().startswith("<svg")


def test_a_long_reason_is_cut():
    def complain(images: Tensor) -> Tensor:
        raise ValueError("no " * 200)

    (note,) = inspect(Called(complain), image_size=8).notes
    assert len(note) < 600
    assert "no no…)" in note


def test_a_stop_by_the_user_is_none_of_its_faults():
    def stop(images: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inspect(Called(stop), image_size=8)


def test_one_size_alone():
    anatomy = inspect(nn.Sequential(conv(3, 4, 1), nn.Flatten(), nn.Linear(256, 2)), image_size=8)
    assert anatomy.macs == 12 * 64 + 512
    assert anatomy.growth == ()
    assert anatomy.notes == ("Cost against image size is missing: the network takes images of 8 pixels alone.",)


def test_grey_images():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    anatomy = inspect(network, image_size=28)
    assert anatomy.towers[0].input_shape == (1, 28, 28)
    assert anatomy.macs == 9 * 4 * 26 * 26 + 8
    assert {growth.macs - 8 for growth in anatomy.growth} >= {9 * 4 * 26 * 26, 9 * 4 * 62 * 62}


def test_three_channels_where_the_first_convolution_is_not_the_first():
    network = Called(lambda x, late, early: late(early(x)), late=conv(4, 2, 1), early=conv(3, 4, 1))
    assert inspect(network, image_size=8).towers[0].input_shape == (3, 8, 8)


def test_parameters_without_a_shape():
    network = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    with pytest.raises(UsageError, match=r"^Parameters of this Sequential, such as 0\.weight, have no shape.*run it"):
        inspect(network)
    network(torch.rand(1, 3, 8, 8))
    assert inspect(network, image_size=8).macs == 27 * 4 * 36 + 144 * 2


@pytest.mark.parametrize("size", [0, -3])
def test_no_image_at_all(size):
    with pytest.raises(UsageError, match=f"at least 1 pixel, not {size}"):
        inspect(nn.Identity(), image_size=size)
    with pytest.raises(UsageError, match=rf"cannot be inspected at {size} pixels: .* not {size}\.$"):
        inspect("resnet50", image_size=size)


@pytest.mark.parametrize("given", [5, None, nn.Identity, [nn.Identity()]])
def test_what_is_no_network(given):
    with pytest.raises(UsageError, match=r"^Give a model's name, a torch\.nn\.Module or an Encoder to inspect, not "):
        inspect(given)
