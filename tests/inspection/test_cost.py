"""Counts by hand, and against the figures published for the peers' own modules."""

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from visavis.inspection.cost import count_macs, count_params, images_per_second, peak_memory_mib
from visavis.models.clip import CLIP
from visavis.models.transformer import Attention
from visavis.zoo.architectures import find_config, outline_model

with (Path(__file__).parents[1] / "models" / "architectures.csv").open() as file:
    PUBLISHED = list(csv.DictReader(file))


@pytest.mark.parametrize("row", PUBLISHED, ids=[row["name"] for row in PUBLISHED])
def test_macs_equal_the_published_ones(row):
    """CLIP's ResNets are held to the count with one pooling query, which is all that we compute."""
    model = outline_model(find_config(row["name"]))
    tower = model.visual if isinstance(model, CLIP) else model
    expected = float(row["gmacs_image_one_query"] or row["gmacs_image"])
    assert count_macs(tower, int(row["image_size"])) / 1e9 == pytest.approx(expected, rel=0.005)


def test_a_convolution_and_a_linear_layer_by_hand():
    # 3x3 over 3 channels to 4, on 8x8 places with padding: 27 * 4 * 64 = 6,912. Linear 256 to 10: 2,560.
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    assert count_macs(network, 8) == 6_912 + 2_560
    assert count_params(network) == (27 * 4 + 4) + (2_560 + 10)


def test_attention_counts_its_two_products():
    # 16 tokens of width 8: projections 16 * 8 * 24 + 16 * 8 * 8 = 4,096; both products 2 * 16 * 16 * 8 = 4,096.
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 1)  # 3 * 8 * 16 = 384
            self.attention = Attention(8, heads=2)

        def forward(self, images):
            return self.attention(self.patches(images).flatten(2).transpose(1, 2))

    assert count_macs(Tokens(), 4) == 384 + 4_096 + 4_096


def test_counting_leaves_the_model_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    count_macs(network, 8)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_peak_memory_by_hand():
    # Weights: 256 x 256 floats = 0.25 MiB. a and b (0.25 MiB each) live together; c is made when a is gone.
    weights = nn.Linear(256, 256, bias=False)

    def work():
        a = torch.ones(256, 256)
        b = a + 1
        del a
        return b * 2

    assert peak_memory_mib(weights, work) == pytest.approx(0.75)


def test_weights_and_their_views_are_held_once():
    # 0.25 MiB each: the weights, of which the layer takes a transposed view, the input and the output.
    layer = nn.Linear(256, 256, bias=False).requires_grad_(False)
    assert peak_memory_mib(layer, lambda: layer(torch.ones(256, 256))) == pytest.approx(0.75)


def test_peak_memory_is_the_same_each_time():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    images = torch.rand(4, 3, 16, 16)
    found = {peak_memory_mib(network, lambda: network(images)) for _ in range(3)}
    assert len(found) == 1
    assert found.pop() > 0


def test_speed_counts_images():
    calls = []
    assert images_per_second(lambda: calls.append(1), 7) > 0
    assert calls == [1]
