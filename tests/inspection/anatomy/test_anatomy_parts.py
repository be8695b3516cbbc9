"""The large steps of networks of any make, found by what repeats and what is left of the image."""

from __future__ import annotations

import pytest
import torch
from small_networks import Called, conv, opened
from torch import Tensor, nn

from visavis.inspection.anatomy.anatomy import Anatomy, inspect
from visavis.inspection.anatomy.parts import depths_of


def steps(anatomy: Anatomy) -> list[tuple[str, str, int]]:
    return [(part.role, part.title, part.blocks) for part in anatomy.stages]


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x).relu()


class Gated(nn.Module):
    """Each channel weighed by what the whole map shows (squeeze and excitation)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = conv(width, width, 3, padding=1)
        self.gate = conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.inner(x)
        return x + inner * self.gate(inner.mean((2, 3), keepdim=True)).sigmoid()


def head(width: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5)]


def test_stages_of_blocks():
    """A stem, two stages with a step between them that belongs to the second, pooling, a classifier."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.ReLU(),
        nn.Sequential(Residual(4), Residual(4)),
        nn.Conv2d(4, 8, 2, 2),
        nn.Sequential(Residual(8), Residual(8), Residual(8)),
        *head(8),
    )
    anatomy = opened(network, 16)
    assert steps(anatomy) == [
        ("stem", "Stem", 0),
        ("stage", "Stage 1", 2),
        ("stage", "Stage 2", 3),
        ("pooling", "Average pooling", 0),
        ("head", "Classifier", 0),
    ]
    assert [part.layers for part in anatomy.stages] == [("0", "1"), ("2",), ("3", "4"), ("5", "6"), ("7",)]
    assert [part.output_shape for part in anatomy.stages] == [(4, 8, 8), (4, 8, 8), (8, 4, 4), (8,), (5,)]
    assert [part.block for part in anatomy.stages] == [None, "2.0", "4.0", None, None]
    # Of eight weighted layers one, two, four and one.
    assert [part.depth for part in anatomy.stages] == [1 / 8, 3 / 8, 7 / 8, 7 / 8, 1]
    assert sum(part.params for part in anatomy.stages) == anatomy.params
    assert sum(part.macs for part in anatomy.stages) == anatomy.macs


def test_sequences_of_different_layers_are_no_blocks():
    """As in ConvNeXt, where stem, stages and what lies between are all of them mere sequences."""
    network = nn.Sequential(
        nn.Sequential(conv(3, 4, 4, stride=4), nn.BatchNorm2d(4)),
        nn.Sequential(Residual(4), Residual(4)),
        nn.Sequential(nn.BatchNorm2d(4), conv(4, 8, 2, stride=2)),
        nn.Sequential(Residual(8), Residual(8), Residual(8)),
        *head(8),
    )
    assert steps(opened(network, 32))[:3] == [
        ("stem", "Patch embedding", 0),
        ("stage", "Stage 1", 2),
        ("stage", "Stage 2", 3),
    ]


def test_sequences_of_the_same_layers_are_blocks():
    blocks = [nn.Sequential(conv(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(2)]
    network = nn.Sequential(conv(3, 4, 1), *blocks, *head(4))
    assert steps(opened(network))[:2] == [("stem", "Stem", 0), ("stage", "2 blocks", 2)]


def test_one_block_with_a_skip_is_a_stage():
    network = nn.Sequential(conv(3, 4, 1), nn.Sequential(Residual(4)), *head(4))
    assert steps(opened(network))[1] == ("stage", "1 block", 1)


def test_a_classifier_that_reads_the_whole_map():
    """As in VGG: nothing repeats, a view flattens the map, and the head begins where weights read that."""
    network = Called(
        lambda x, features, pool, classifier: classifier(pool(features(x)).flatten(1)),
        features=nn.Sequential(conv(3, 4, 3), nn.ReLU(), conv(4, 4, 3)),
        pool=nn.AdaptiveAvgPool2d(2),
        classifier=nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5)),
    )
    assert steps(opened(network)) == [
        ("stage", "features", 0),
        ("stage", "pool", 0),
        ("head", "Classifier", 0),
    ]


def test_a_transformer_of_torchs_own_layers():
    network = Called(
        lambda x, patches, blocks, head: head(blocks(patches(x).flatten(2).mT)[:, 0]),
        patches=nn.Conv2d(3, 8, 4, 4),
        blocks=nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3),
        head=nn.Linear(8, 5, bias=False),
    )
    anatomy = opened(network, 16)
    assert steps(anatomy) == [
        ("stem", "Patch embedding", 0),
        ("stage", "3 blocks", 3),
        ("pooling", "Class token", 0),
        ("head", "Projection", 0),
    ]
    assert [rule.number for rule in anatomy.rules] == [3, 1 + 4 * 3 + 1]


@pytest.mark.parametrize("network", [nn.Identity(), nn.Sequential(), nn.ReLU(), nn.Linear(8, 2)])
def test_a_single_layer_has_few_steps(network):
    assert len(opened(network).stages) <= 1


def test_only_the_classes_count_in_a_linear_classifier():
    anatomy = opened(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)))
    assert steps(anatomy)[-1] == ("head", "Classifier", 0)
    assert depths_of(anatomy.towers[0].root)[""] == 1


def test_gates_that_see_all_leave_no_receptive_field_to_state():
    """A local rule of a network that is not: what one place of the last map sees has no side."""
    blocks = [Gated(4), Gated(4)]
    rules = opened(nn.Sequential(conv(3, 4, 3), nn.Sequential(*blocks), *head(4))).rules
    assert not [rule for rule in rules if "Araujo" in rule.source]
    rules = opened(nn.Sequential(conv(3, 4, 3), nn.Sequential(Residual(4), Residual(4)), *head(4))).rules
    (rule,) = (rule for rule in rules if "Araujo" in rule.source)
    assert (rule.number, rule.sum) == (7, "1 + 6 x 1")


def test_depth_of_a_network_without_weights():
    assert set(depths_of(opened(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))).towers[0].root).values()) == {0.0}


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("resnet50", ["Stem", *(f"Stage {n}" for n in range(1, 5)), "Average pooling", "Classifier"]),
        ("RN50", ["Stem", *(f"Stage {n}" for n in range(1, 5)), "Attention pooling"]),
        ("ViT-B-32", ["Patch embedding", "12 blocks", "Class token", "Projection"]),
        ("vit_base_patch16_224", ["Patch embedding", "12 blocks", "Class token", "Classifier"]),
    ],
)
def test_published_networks(name, titles):
    anatomy = inspect(name)
    assert [part.title for part in anatomy.stages] == titles
    if len(anatomy.towers) > 1:
        text = [part.title for part in anatomy.towers[1].parts]
        assert text == ["Token embedding", "12 blocks", "End token", "Projection"]


def test_a_built_torch_module_and_its_trace_agree_on_size():
    """Every shape of a part is the one that the module gives on real numbers."""
    network = nn.Sequential(conv(3, 4, 3), nn.Sequential(Residual(4), Residual(4)), *head(4)).eval()
    last = opened(network).stages[-1]
    assert tuple(network(torch.rand(1, 3, 8, 8)).shape[1:]) == last.output_shape
