"""Places at which networks are listened to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight.taps import as_grid, find_taps, listen, running, split_tokens


def taps_of(encoder):
    return find_taps(encoder, inspect(encoder).towers[0].root)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("resnet", ["maxpool", "layer1.0", "layer2.0", "layer2.1", "layer3.0", "layer4.0"]),
        ("clip-resnet", ["avgpool", "layer1.0", "layer2.0", "layer3.0", "layer4.0"]),
        ("vit", ["add", *(f"transformer.resblocks.{number}" for number in range(3))]),
        ("clip-vit", ["ln_pre", *(f"transformer.resblocks.{number}" for number in range(4))]),
    ],
)
def test_stem_and_blocks_of_each_family(encoder_of, kind, names):
    taps = taps_of(encoder_of(kind))
    assert [tap.layer for tap in taps] == names
    depths = [tap.depth for tap in taps]
    assert depths == sorted(depths)
    assert depths[0] > 0
    assert depths[-1] <= 1


def test_the_stem_is_what_the_first_block_reads(encoder_of, pixels):
    encoder = encoder_of("vit")
    tower, heard = encoder.image_tower, {}
    images = pixels(2, 32)
    with listen(tower, taps_of(encoder), lambda at, tensor: heard.__setitem__(at, tensor.clone())):
        encoder.encode_pixels(images)
    patches = tower.conv1(images).flatten(2).transpose(1, 2)
    stem = torch.cat([tower.class_embedding.expand(2, 1, -1), patches], dim=1) + tower.positional_embedding
    torch.testing.assert_close(heard[0], stem)
    torch.testing.assert_close(heard[1], tower.transformer.resblocks[0](stem))


class Recurrent(nn.Module):
    """Blocks that pass tokens first, [tokens, batch, width], one of which gives a tuple."""

    class Block(nn.Module):
        def __init__(self, several):
            super().__init__()
            self.linear, self.several = nn.Linear(8, 8), several

        def forward(self, x):
            x = x + self.linear(x)
            return (x, None) if self.several else x

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.first, self.second = self.Block(False), self.Block(True)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).permute(2, 0, 1)
        return self.second(self.first(tokens))[0].transpose(0, 1)


def test_tokens_first_and_tuples(wrap, pixels):
    encoder = wrap(Recurrent())
    taps = taps_of(encoder)
    assert [(tap.layer, tap.batch_axis) for tap in taps] == [("patches", 1), ("first", 1), ("second", 1)]
    shapes = []
    with listen(encoder.image_tower, taps, lambda at, tensor: shapes.append(tuple(tensor.shape))):
        encoder.encode_pixels(pixels(5, 16))
    assert shapes == [(5, 16, 8)] * 3


class Choosing(nn.Module):
    """A network whose way depends on the numbers, which cannot be taken apart without them."""

    def __init__(self):
        super().__init__()
        self.small, self.large = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5)
        self.after = nn.Conv2d(4, 4, 3)

    def forward(self, images):
        return self.after(self.small(images) if images.mean() < 2 else self.large(images))


def test_a_network_that_cannot_be_taken_apart_is_heard_where_it_runs(wrap):
    encoder = wrap(Choosing())
    root = inspect(encoder).towers[0].root
    assert root.output_shape is None
    assert [(tap.layer, round(tap.depth, 2)) for tap in find_taps(encoder, root)] == [("small", 0.33), ("after", 1.0)]


def test_without_blocks_each_layer_with_weights_counts(wrap):
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU())
    assert [tap.layer for tap in taps_of(wrap(plain))] == ["0", "2"]


def test_hooks_are_gone_afterwards_also_after_an_error(encoder_of):
    encoder = encoder_of("vit")
    tower = encoder.image_tower
    taps = taps_of(encoder)
    with pytest.raises(RuntimeError, match="on purpose"), listen(tower, taps, print), running(tower):
        raise RuntimeError("on purpose")
    for module in tower.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_the_running_modules_are_told_innermost_last(wrap, pixels):
    inner = nn.Sequential(nn.Conv2d(3, 3, 1))
    encoder, seen = wrap(nn.Sequential(inner)), []
    with running(encoder.image_tower) as stack:
        inner[0].register_forward_pre_hook(lambda *_: seen.append(list(stack)))
        encoder.encode_pixels(pixels(1, 16))
    assert seen == [["", "0", "0.0"]]
    assert stack == []


def test_grids_of_maps_and_sequences():
    maps = torch.arange(2 * 5 * 3 * 3.0).view(2, 5, 3, 3)
    grid = as_grid(maps)
    assert grid.shape == (2, 3, 3, 5)
    assert grid[1, 2, 0, 4] == maps[1, 4, 2, 0]
    torch.testing.assert_close(as_grid(maps.permute(0, 2, 3, 1)), grid)  # channels last
    tokens = torch.cat([torch.full((2, 1, 5), -1.0), grid.flatten(1, 2)], dim=1)  # a class token before them
    torch.testing.assert_close(as_grid(tokens), grid)
    assert as_grid(torch.zeros(2, 5)) is None


@pytest.mark.parametrize(
    ("tokens", "found"), [(197, (1, 14)), (196, (0, 14)), (198, (2, 14)), (261, (5, 16)), (50, (1, 7))]
)
def test_class_token_and_registers_come_before_a_square_of_patches(tokens, found):
    assert split_tokens(tokens) == found
