"""Attention distance and entropy, by hand and against the network's own queries and keys."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from visavis.inspection.sight.attention_distance import (
    Heard,
    attention_maps,
    distances,
    entropies,
    heads_of,
    hear_attention,
)


def test_distance_by_hand():
    """Four patches of 2 x 2 pixels in an image of 4; their centres are 2 pixels apart, 2 sqrt(2) across.

    The first patch looks at itself and at its right neighbour by halves: 0.5 * 0 + 0.5 * 2 = 1. The second looks at the
    one below it: 2. The third looks across at the second: 2.83. The fourth at itself: 0. The mean is 5.83 / 4 = 1.457.
    """
    weights = torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]])
    found = distances(weights[None, None], side=4)
    assert found.item() == pytest.approx((1 + 2 + 2 * math.sqrt(2) + 0) / 4)
    # half of every query's attention goes to the class token, which has no place: nothing changes
    assert distances(weights[None, None] / 2, side=4).item() == pytest.approx(found.item())


def test_distance_of_even_attention():
    """Of nine patches of 8 pixels: the mean distance between two places drawn at random, here by all 81 pairs."""
    places = [(8 * row, 8 * column) for row in range(3) for column in range(3)]
    expected = np.mean([math.dist(one, other) for one in places for other in places])
    assert distances(torch.full((2, 3, 9, 9), 1 / 9), side=24).numpy() == pytest.approx(expected)


def test_entropy_from_none_to_all():
    even, single = torch.full((1, 1, 3, 5), 0.2), torch.eye(5)[None, None]
    assert entropies(even).item() == pytest.approx(math.log(5))
    assert entropies(single).item() == 0
    half = torch.tensor([[0.5, 0.5, 0.0, 0.0]])[None, None]
    assert entropies(half).item() == pytest.approx(math.log(2))


def by_hand(block, x):
    """Softmax of a block's own queries and keys, [batch, heads, tokens, tokens], of what it reads."""
    width, heads = x.shape[-1], block.attn.heads
    query, key, _ = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias).chunk(3, dim=-1)
    split = [part.unflatten(-1, (heads, width // heads)).transpose(1, 2).double() for part in (query, key)]
    return (split[0] @ split[1].transpose(-1, -2) / math.sqrt(width // heads)).softmax(dim=-1)


@pytest.mark.parametrize("kind", ["vit", "clip-vit"])
def test_a_networks_attention_is_what_its_queries_and_keys_say(encoder_of, pixels, kind):
    encoder, images = encoder_of(kind), pixels(5, 32)
    plain = encoder.encode_pixels(images)
    heard = Heard()
    for batch in images.split(2):  # the last one is smaller
        hear_attention(encoder, batch, heard)
    tower = encoder.image_tower
    read = []
    handles = [
        block.register_forward_pre_hook(lambda _, given: read.append(given[0])) for block in tower.transformer.resblocks
    ]
    torch.testing.assert_close(encoder.encode_pixels(images), plain)
    for handle in handles:
        handle.remove()
    assert heads_of(heard) == [(f"transformer.resblocks.{number}.attn", 2) for number in range(len(read))]
    assert not heard.unplaced
    for found, block, x in zip(heard.layers, tower.transformer.resblocks, read, strict=True):
        weights = by_hand(block, x)
        among = weights[:, :, 1:, 1:]
        places = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double() * 8
        apart = (places[:, None] - places[None]).square().sum(-1).sqrt()
        distance = ((among * apart).sum(-1) / among.sum(-1)).mean(dim=(0, 2))
        entropy = -(weights * weights.log()).sum(-1).mean(dim=(0, 2))
        assert found.images == 5
        torch.testing.assert_close(found.distance / 5, distance, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.entropy / 5, entropy, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            found.first.double(), weights[0, :, 0, 1:].unflatten(-1, (4, 4)), rtol=1e-5, atol=1e-6
        )


def test_attention_pooling_has_maps_and_no_distance(encoder_of, pixels):
    encoder = encoder_of("clip-resnet")
    heard = Heard()
    hear_attention(encoder, pixels(3, 64), heard)
    (found,) = heard.layers
    assert found.layer == "attnpool"
    assert found.distance is None
    maps = attention_maps(encoder, pixels(1, 64)[0])
    assert maps.layers == ("attnpool",)
    assert maps.maps.shape == (1, 4, 2, 2)
    assert maps.maps.dtype == np.float32
    assert (maps.maps.sum(axis=(2, 3)) <= 1 + 1e-6).all()  # the rest is on the mean token


def test_a_resnet_has_none(encoder_of, pixels):
    assert attention_maps(encoder_of("resnet"), pixels(1, 64)[0]) is None


class Attends(nn.Module):
    """Patches of 4 pixels as 16 tokens, in windows of so many, after so many registers."""

    def __init__(self, windows=1, registers=0):
        super().__init__()
        self.patches, self.windows, self.registers = nn.Conv2d(3, 8, 4, stride=4), windows, registers

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([torch.zeros(len(x), self.registers, 8), x], dim=1)
        x = x.reshape(len(x) * self.windows, -1, 1, 8).transpose(1, 2)
        return F.scaled_dot_product_attention(x, x, x)[:, 0].reshape(len(images), -1, 8)


def test_attention_within_windows_is_told_and_not_measured(wrap, pixels):
    heard = Heard()
    hear_attention(wrap(Attends(windows=4)), pixels(2, 16), heard)
    hear_attention(wrap(Attends(windows=4)), pixels(2, 16), heard)
    assert heard.unplaced == [""]
    assert not heard.layers


def test_without_a_class_token_the_mean_of_all_queries_is_shown(wrap, pixels):
    (image,) = pixels(1, 16)
    shown = attention_maps(wrap(Attends()), image)
    assert shown.maps.shape == (1, 1, 4, 4)
    assert shown.maps.sum() == pytest.approx(1)
    with_registers = attention_maps(wrap(Attends(registers=5)), image)
    assert with_registers.maps.shape == (1, 1, 4, 4)
    assert with_registers.maps == pytest.approx(1 / 21)  # zeros ask all alike
