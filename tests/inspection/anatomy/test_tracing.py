"""The tree of layers: what ran, in which order, what each read; weights counted once; nothing lost."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune
import torch.utils.checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import Called, conv, opened, root_of
from torch import Tensor, nn

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.tree import INPUT, Layer


def sources(layer: Layer) -> dict[str, tuple[str, ...]]:
    """What each child reads, in order of execution."""
    return {child.name: child.sources for child in layer.children}


def test_a_block_with_a_skip():
    """[3, 8, 8]: 3x3 to 4 channels, norm, ReLU, a second convolution, and the way around both."""
    root = root_of(
        lambda x, a, norm, relu, b: relu(b(relu(norm(a(x)))) + x),
        a=nn.Conv2d(3, 4, 3, padding=1),
        norm=nn.BatchNorm2d(4),
        relu=nn.ReLU(),
        b=conv(4, 3, 3, padding=1),
    )
    assert sources(root) == {
        "a": (INPUT,),
        "norm": ("a",),
        "relu": ("norm",),
        "b": ("relu",),
        "add": ("b", INPUT),
        "relu#2": ("add",),
    }
    a, norm, relu, _, add, again = root.children
    assert [layer.params for layer in root.children] == [3 * 9 * 4 + 4, 8, 0, 4 * 9 * 3, 0, 0]
    assert [layer.macs for layer in root.children] == [108 * 64, 0, 0, 108 * 64, 0, 0]
    assert [layer.output_shape for layer in root.children] == [(4, 8, 8)] * 3 + [(3, 8, 8)] * 3
    assert [layer.kind for layer in root.children] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "add", "ReLU"]
    assert [layer.is_module for layer in root.children] == [True, True, True, True, False, True]
    assert [layer.runs for layer in root.children] == [1, 1, 2, 1, 1, 2]
    assert (a.settings, norm.settings, relu.settings) == ("3x3, 3 to 4", "4 channels", "")
    assert (add.input_shapes, again.input_shapes) == (((3, 8, 8), (3, 8, 8)), ((3, 8, 8),))
    # Float32: three outputs of 4 x 64 numbers and three of 3 x 64.
    assert [layer.activation_bytes for layer in root.children] == [1024, 1024, 1024, 768, 768, 768]
    assert (root.params, root.macs, root.activation_bytes) == (112 + 8 + 108, 2 * 108 * 64, 3 * 1024 + 3 * 768)


def test_what_works_in_place_takes_no_memory():
    root = root_of(nn.Sequential(conv(3, 4, 1), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), nn.Linear(256, 2)))
    assert [layer.activation_bytes for layer in root.children] == [1024, 0, 0, 0, 8]
    assert root.activation_bytes == 1032
    assert list(sources(root).values()) == [(INPUT,), ("0",), ("1",), ("2",), ("3",)]


def test_one_module_under_two_names():
    """It runs twice, counts its weights once, and stands under its first name."""
    shared = conv(3, 3, 3, padding=1)
    network = Called(lambda x, a, b: a(b(x)), a=shared, b=shared)
    anatomy = opened(network)
    root = anatomy.towers[0].root
    assert [(layer.name, layer.params, layer.macs, layer.runs) for layer in root.children] == [
        ("a", 81, 81 * 64, 2),
        ("a#2", 0, 81 * 64, 2),
    ]
    assert (root.params, anatomy.params, anatomy.kinds["Conv2d"]) == (81, 81, 1)


def test_weights_that_two_layers_share():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    anatomy = opened(lambda x, a, b: b(a(x.mean((2, 3)))), a=first, b=second)
    assert [layer.params for layer in anatomy.towers[0].root.children[1:]] == [12, 3]
    assert anatomy.towers[0].root.params == anatomy.params == 15


def test_a_layer_in_a_loop():
    """As often as there are rows; its weights stand with the first."""

    def read(images: Tensor, cell: nn.Module) -> Tensor:
        state = None
        for row in images.transpose(1, 2).flatten(2).unbind(1):
            state = cell(row, state)
        return state[0]

    anatomy = opened(read, cell=nn.LSTMCell(24, 5))
    cells = [layer for layer in anatomy.towers[0].root.children if layer.kind == "LSTMCell"]
    assert [layer.name for layer in cells] == ["cell"] + [f"cell#{run}" for run in range(2, 9)]
    assert [layer.params for layer in cells] == [4 * 5 * (24 + 5 + 2)] + [0] * 7
    assert {layer.macs for layer in cells} == {4 * 5 * (24 + 5)}
    assert {layer.runs for layer in cells} == {8}
    assert anatomy.kinds["LSTMCell"] == 1


def test_a_block_in_a_loop_numbers_what_is_in_it():
    block = nn.Sequential(conv(3, 3, 1), nn.ReLU())
    root = root_of(lambda x, block: block(block(x)), block=block)
    assert [layer.name for layer in root.walk()] == [
        "",
        "block",
        "block.0",
        "block.1",
        "block#2",
        "block#2.0",
        "block#2.1",
    ]


def test_recurrent_layers():
    root = root_of(
        lambda x, a: a(x.flatten(1, 2))[0], a=nn.LSTM(8, 4, num_layers=2, bidirectional=True, batch_first=True)
    )
    lstm = root.find("a")
    assert (lstm.kind, lstm.settings, lstm.output_shape, lstm.children) == ("LSTM", "8 to 4", (24, 8), ())
    assert lstm.params == 2 * 4 * 4 * (8 + 4 + 2) + 2 * 4 * 4 * (8 + 4 + 2)


class Pair(NamedTuple):
    maps: Tensor
    shown: Any = None


@dataclasses.dataclass
class Record:
    maps: Tensor
    shown: Any = None


OUTPUTS = {
    "a tuple": lambda maps: (maps, None),
    "a list": lambda maps: [maps],
    "a dictionary": lambda maps: {"maps": maps, "loss": None},
    "a named tuple": Pair,
    "a data class": Record,
    "a nest of them": lambda maps: {"out": (Record([maps]), 3, "words")},
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_modules_that_give_more_than_a_tensor(name):
    inner = Called(lambda x, a: OUTPUTS[name](a(x)), a=conv(3, 4, 1))

    def unwrap(found: Any) -> Tensor:
        while not isinstance(found, Tensor):
            if dataclasses.is_dataclass(found):
                found = found.maps
            else:
                found = next(iter(found.values())) if isinstance(found, dict) else found[0]
        return found

    root = root_of(lambda x, inner, last: last(unwrap(inner(x))), inner=inner, last=conv(4, 2, 1))
    assert root.find("inner").output_shape == (4, 8, 8)
    assert root.find("last").sources == ("inner",)
    assert root.macs == (12 + 8) * 64
    assert root_of(inner).output_shape == (4, 8, 8)


@pytest.mark.parametrize("given", [None, 3, "words", ()])
def test_modules_that_give_no_tensor(given):
    anatomy = opened(lambda x, a: given, a=conv(3, 4, 1))
    assert anatomy.towers[0].root.output_shape == ()
    assert (anatomy.macs, anatomy.params, anatomy.stages) == (0, 12, ())
    assert opened(lambda x, a: (a(x), given)[1], a=conv(3, 4, 1)).macs == 12 * 64


def test_what_never_runs_comes_last_with_its_parameters():
    network = Called(
        lambda x, head, **idle: head(x),
        spare=nn.Sequential(nn.Linear(2, 3), nn.ReLU()),
        head=conv(3, 4, 1),
        held=nn.ModuleList([nn.Linear(5, 1)]),
        bare=nn.ParameterList([nn.Parameter(torch.zeros(7))]),
    )
    network.alone = nn.Parameter(torch.zeros(11))
    anatomy = opened(network)
    root = anatomy.towers[0].root
    assert [(layer.name, layer.output_shape is None) for layer in root.children] == [
        ("head", False),
        ("spare", True),
        ("held", True),
        ("bare", True),
    ]
    assert [layer.params for layer in root.children] == [12, 9, 6, 7]
    assert root.find("spare.0").params == 9
    assert all(layer.macs is None and layer.activation_bytes is None for layer in root.find("spare").walk())
    assert root.macs == 12 * 64  # what never runs costs nothing
    assert root.params == anatomy.params == 12 + 9 + 6 + 7 + 11


def test_parameters_without_a_module_stand_with_what_reads_them():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 1, 1))
            self.weight = nn.Parameter(torch.ones(3, 5))

        def forward(self, images: Tensor) -> Tensor:
            return (self.scale * images).flatten(2).mT @ self.weight

    mul, matmul = root_of(Own()).children
    assert (mul.kind, mul.params, mul.settings) == ("mul", 3, "scale")
    assert (matmul.kind, matmul.params, matmul.settings, matmul.macs) == ("matmul", 15, "3 to 5, weight", 64 * 15)


def test_a_module_whose_weights_another_uses():
    """Torch's attention never calls its `out_proj`; it is a layer all the same."""
    root = root_of(
        lambda x, a: a(*[x.flatten(2).mT] * 3, need_weights=False)[0], a=nn.MultiheadAttention(3, 1, batch_first=True)
    )
    out = root.find("a.out_proj")
    assert out.is_module
    assert (out.params, out.macs, out.output_shape) == (12, 64 * 9, (64, 3))


def test_constants_that_a_network_makes_for_itself():
    """On the CPU, where everybody else is on the meta device."""
    mean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    network = Called(
        lambda x, a: torch.cat([a(x - mean).mean((2, 3)), torch.arange(2.0).view(1, 2)], 1) * torch.tensor(2.0),
        a=conv(3, 4, 1),
    )
    network.offset = [torch.ones(3)]  # neither a parameter nor a buffer
    root = root_of(network)
    assert (root.output_shape, root.macs) == ((6,), 12 * 64)
    assert root.children[0].sources == (INPUT,)


def test_wrappers_and_tricks_of_training():
    shared = conv(3, 4, 3)
    plain = root_of(nn.Sequential(shared))
    pruned = root_of(nn.Sequential(nn.utils.prune.random_unstructured(copy.deepcopy(shared), "weight", 0.5)))
    again = root_of(lambda x, a: torch.utils.checkpoint.checkpoint(a, x, use_reentrant=False), a=copy.deepcopy(shared))
    assert plain.macs == pruned.macs == again.macs
    assert plain.params == pruned.params == again.params


def test_the_module_is_not_touched():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    network.requires_grad_(True)
    calls = []
    network[0].register_forward_hook(lambda module, args, output: calls.append(output.device.type))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    hooks = len(network[1]._forward_hooks)
    inspect(network)
    assert network.training
    assert network[1].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert len(network[1]._forward_hooks) == hooks
    assert set(calls) == {"meta"}  # a hook of one's own runs, on a copy
    assert torch.is_grad_enabled()


def assert_adds_up(layer: Layer) -> None:
    """A parent holds what its children do, and every edge leads from a sibling that ran before, or from outside."""
    ran = [child for child in layer.children if child.output_shape is not None]
    before: set[str] = set()
    for child in layer.children:
        assert set(child.sources) <= before | {INPUT}
        before.add(child.name)
        if layer.name:
            assert child.name.startswith(f"{layer.name}.")
        assert_adds_up(child)
    assert layer.params >= sum(child.params for child in layer.children)
    if ran and layer.macs is not None:
        assert layer.macs == sum(child.macs for child in ran)
        assert layer.activation_bytes == sum(child.activation_bytes for child in ran)


@st.composite
def graphs(draw: st.DrawFn) -> nn.Module:
    """A network whose layers read any earlier ones, some of them several times."""
    plan = []
    for step in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["conv", "norm", "add", "mul", "cat", "again", "block"]))
        reads = draw(st.lists(st.integers(0, step), min_size=2, max_size=2))
        plan.append((kind, reads))
    modules: dict[str, nn.Module] = {"mix": conv(6, 3, 1), "again": nn.Conv2d(3, 3, 3, padding=1)}
    for step, (kind, _) in enumerate(plan):
        if kind == "conv":
            modules[f"m{step}"] = nn.Conv2d(3, 3, draw(st.sampled_from([1, 3])), padding="same")
        elif kind == "norm":
            modules[f"m{step}"] = nn.BatchNorm2d(3)
        elif kind == "block":
            modules[f"m{step}"] = nn.Sequential(conv(3, 2, 1), nn.ReLU(inplace=draw(st.booleans())), conv(2, 3, 1))

    def run(images: Tensor, **parts: nn.Module) -> Tensor:
        made = [images]
        for step, (kind, (one, other)) in enumerate(plan):
            if kind in ("add", "mul"):
                made.append(made[one] + made[other] if kind == "add" else made[one] * made[other])
            elif kind == "cat":
                made.append(parts["mix"](torch.cat([made[one], made[other]], 1)))
            else:
                made.append(parts["again" if kind == "again" else f"m{step}"](made[one]))
        return made[-1]

    return Called(run, **modules)


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_any_graph(network):
    anatomy = inspect(network, image_size=6)
    root = anatomy.towers[0].root
    names = [layer.name for layer in root.walk()]
    assert len(names) == len(set(names))
    assert root.params == anatomy.params == sum(parameter.numel() for parameter in network.parameters())
    assert root.output_shape == tuple(network.eval()(torch.rand(2, 3, 6, 6)).shape[1:])
    assert_adds_up(root)


@pytest.mark.parametrize("name", ["resnet50", "RN50", "ViT-B-32", "vit_base_patch16_224"])
def test_published_networks_add_up(name):
    anatomy = inspect(name)
    for tower in anatomy.towers:
        assert_adds_up(tower.root)
        blocks = [layer for layer in tower.root.walk() if layer.kind in ("Block", "Bottleneck")]
        assert blocks
        for block in blocks:
            joined = [child for child in block.children if child.kind == "add"]
            assert len(joined) == (2 if block.kind == "Block" else 1)
            assert all(len(child.sources) == 2 for child in joined)


def test_where_a_published_block_leads():
    """A Transformer block's two sums read the branch and what went around it; the first block's way starts outside."""
    block = inspect("ViT-B-32").towers[0].root.find("transformer.resblocks.3")
    inner = {name.rpartition(".")[2]: read for name, read in sources(block).items()}
    short = {name: tuple(one.rpartition(".")[2] for one in read) for name, read in inner.items()}
    assert short == {
        "ln_1": (INPUT,),
        "attn": ("ln_1",),
        "add": (INPUT, "attn"),
        "ln_2": ("add",),
        "mlp": ("ln_2",),
        "add2": ("add", "mlp"),
    }


def test_attention_in_the_open():
    root = root_of(
        lambda x, a: F.scaled_dot_product_attention(*[a(x).flatten(2).unflatten(1, (2, 3)).mT] * 3), a=conv(3, 6, 1)
    )
    product = root.find("scaled_dot_product_attention")
    assert product.settings == "2 heads of 3, 64 x 64 places"
    assert product.input_shapes == ((2, 64, 3),) * 3
    assert product.macs == 2 * 2 * 64 * 64 * 3
