"""Cost against image size: the polynomial against counts at each size; attention's square beside the linear rest."""

from __future__ import annotations

import pytest
import torch
from small_networks import Called, conv
from torch import nn

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.growth import SIZES, Growth, growth_of_module
from visavis.zoo.architectures import ARCHITECTURES


def by_size(name: str) -> dict[int, Growth]:
    return {growth.image_size: growth for growth in inspect(name).growth}


@pytest.mark.parametrize("name", ["resnet50", "RN50", "ViT-B-32", "ViT-L-14", "vit_base_patch16_224"])
def test_every_point_is_a_count(name):
    """Three small counts make the curve; whole networks of other sizes must lie on it."""
    grown = by_size(name)
    own = ARCHITECTURES[name].image_size
    assert grown[own].macs == inspect(name).macs
    for size in list(grown)[:: len(grown) // 3]:
        assert inspect(name, image_size=size).macs == grown[size].macs


@pytest.mark.parametrize("name", ["resnet50", "RN50x4", "ViT-B-32", "ViT-bigG-14"])
def test_sizes_are_those_that_the_network_takes(name):
    grown = by_size(name)
    config = ARCHITECTURES[name]
    unit = getattr(getattr(config, "visual", config), "patch_size", 32)
    assert all(size % unit == 0 for size in grown)
    assert config.image_size in grown
    assert len(grown) >= len(SIZES)
    assert abs(min(grown) - 64) <= unit
    assert abs(max(grown) - 2048) <= unit


def test_a_convolutions_cost_grows_with_the_area():
    """All of a ResNet-50 but its classifier, which sees one vector at any size."""
    classifier = 2048 * 1000
    for size, growth in by_size("resnet50").items():
        places = (size // 32) ** 2
        assert growth.tokens_or_places == places
        assert (growth.macs - classifier) * 49 == (4_089_184_256 - classifier) * places
        assert growth.attention_macs == 0


def test_attentions_cost_grows_with_its_square():
    """ViT-B/16: in each block 2 n^2 w for n tokens of width w, and 12 n w^2 for the weights."""
    width, blocks = 768, 12
    for size, growth in by_size("ViT-B-16").items():
        patches = (size // 16) ** 2
        assert growth.tokens_or_places == patches + 1
        assert growth.attention_macs == blocks * 2 * (patches + 1) ** 2 * width
        weights = blocks * 12 * (patches + 1) * width**2 + patches * width * 3 * 16**2 + width * 512
        assert growth.macs == growth.attention_macs + weights


def test_the_pooling_of_a_clip_resnet_asks_one_query():
    for size, growth in by_size("RN50").items():
        places = (size // 32) ** 2
        assert growth.attention_macs == 2 * (places + 1) * 2048


def test_where_attention_costs_half():
    """The rule's crossing point lies between the last size at which the products are cheaper and the first where not.

    The rule speaks of a block, the curve of a network, which has a patch embedding besides.
    """
    anatomy = inspect("ViT-B-16")
    crossing = next(rule.number for rule in anatomy.rules if "sqrt" in rule.sum)
    dearer = [one.image_size for one in anatomy.growth if one.attention_macs > one.macs / 2]
    cheaper = [one.image_size for one in anatomy.growth if one.attention_macs < one.macs / 2]
    assert max(cheaper) < crossing <= min(dearer)


def test_any_module_is_counted_at_each_size():
    network = nn.Sequential(conv(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    grown = growth_of_module(network, 48, 3, places=9)
    assert [(one.image_size, one.macs) for one in grown] == [
        (size, 108 * size**2 + 8) for size in sorted({48, *(max(1, round(size / 32)) * 32 for size in SIZES)})
    ]
    assert {one.image_size: one.tokens_or_places for one in grown}[96] == 36
    assert {one.attention_macs for one in grown} == {0}


def test_any_modules_attention():
    network = Called(
        lambda x, patches, block: block(patches(x).flatten(2).mT),
        patches=conv(3, 8, 32, stride=32),
        block=nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    )
    for one in inspect(network, image_size=64).growth:
        tokens = (one.image_size // 32) ** 2
        assert one.attention_macs == 2 * tokens**2 * 8
        assert one.macs == one.attention_macs + tokens * (4 * 64 + 2 * 128 + 3 * 32**2 * 8)


def test_a_module_that_takes_some_sizes():
    """At 64 pixels two strides of 32 leave nothing; what cannot be counted is left out."""
    network = nn.Sequential(conv(3, 2, 32, stride=32), conv(2, 2, 3))
    assert min(one.image_size for one in growth_of_module(network, 224, 3, places=25)) == 96


def test_an_unknown_operation_has_no_curve():
    assert growth_of_module(Called(lambda x: torch.fft.rfft2(x).abs()), 224, 3, places=1) == ()
