"""Parts taken away: each against a network built by hand without it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visavis.errors import VisavisError
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight import ablations
from visavis.inspection.sight.taps import find_taps


@pytest.fixture
def root_of():
    return lambda encoder: inspect(encoder).towers[0].root


def state(encoder):
    return {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}


def stages(tower):
    return [block for stage in (tower.layer1, tower.layer2, tower.layer3, tower.layer4) for block in stage]


def resnet_by_hand(tower, images, without):
    """He et al. 2016 with one block's shortcut left out."""
    x = tower.maxpool(torch.relu(tower.bn1(tower.conv1(images))))
    for number, block in enumerate(stages(tower)):
        out = torch.relu(block.bn1(block.conv1(x)))
        out = block.bn3(block.conv3(torch.relu(block.bn2(block.conv2(out)))))
        x = torch.relu(out if number == without else out + block.downsample(x))
    return x.mean(dim=(2, 3))


@pytest.mark.parametrize(("block", "number"), [("layer1.0", 0), ("layer2.1", 2)])  # a projection, an identity
def test_a_resnet_without_a_skip_connection(encoder_of, pixels, root_of, block, number):
    encoder, images = encoder_of("resnet"), pixels(3, 64)
    found = ablations.without_skip(encoder, root_of(encoder).find(block))(images)
    torch.testing.assert_close(found, resnet_by_hand(encoder.model, images, without=number))
    assert not torch.allclose(found, encoder.encode_pixels(images))


def vit_by_hand(tower, images, change):
    """Dosovitskiy et al. 2021, equations 1 to 4; `change` may take a block's place."""
    x = tower.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([tower.class_embedding.expand(len(x), 1, -1), x], dim=1) + tower.positional_embedding
    for number, block in enumerate(tower.transformer.resblocks):
        x = change(number, block, x)
    return tower.ln_post(x[:, 0])


def test_a_vit_without_a_blocks_two_skip_connections(encoder_of, pixels, root_of):
    encoder, images = encoder_of("vit"), pixels(3, 32)

    def change(number, block, x):
        return block.mlp(block.ln_2(block.attn(block.ln_1(x)))) if number == 1 else block(x)

    found = ablations.without_skip(encoder, root_of(encoder).find("transformer.resblocks.1"))(images)
    torch.testing.assert_close(found, vit_by_hand(encoder.model, images, change))


def test_a_vit_without_a_block(encoder_of, pixels):
    encoder, images = encoder_of("vit"), pixels(3, 32)
    found = ablations.without_blocks(encoder, ["transformer.resblocks.1"])(images)
    torch.testing.assert_close(
        found, vit_by_hand(encoder.model, images, lambda number, block, x: x if number == 1 else block(x))
    )


def test_a_head_gives_nothing_where_the_projection_does_not_read_it(encoder_of, pixels):
    encoder, images = encoder_of("clip-vit"), pixels(3, 32)
    found = ablations.without_head(encoder, "transformer.resblocks.2.attn", 1)(images)
    weight = encoder.model.visual.transformer.resblocks[2].attn.out_proj.weight
    intact = weight.clone()
    weight[:, 16:] = 0  # the second of two heads of 16
    torch.testing.assert_close(found, encoder.encode_pixels(images))
    weight.copy_(intact)


def test_a_head_of_attention_pooling(encoder_of, pixels):
    encoder, images = encoder_of("clip-resnet"), pixels(3, 64)
    found = ablations.without_head(encoder, "attnpool", 0)(images)
    weight = encoder.model.visual.attnpool.c_proj.weight
    weight[:, :64] = 0
    torch.testing.assert_close(found, encoder.encode_pixels(images))


def test_shuffled_positions_are_shuffled_patches(encoder_of, pixels):
    """Attention has no order: moving the positions one way is moving the patches the other way."""
    encoder, images = encoder_of("vit"), pixels(3, 32)
    found = ablations.shuffled_positions(encoder, seed=5)(images)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(5))  # patch i gets the position of order[i]
    patches = images.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3)  # [batch, 3, 16, 8, 8]
    moved = torch.empty_like(patches)
    moved[:, :, order] = patches
    rows = moved.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5).reshape(3, 3, 32, 32)
    torch.testing.assert_close(found, encoder.encode_pixels(rows), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, encoder.encode_pixels(images), atol=1e-2)


def test_the_mean_of_the_patches_in_the_class_tokens_place(encoder_of, pixels, root_of):
    encoder, images = encoder_of("vit"), pixels(3, 32)
    last = find_taps(encoder, root_of(encoder))[-1]
    found = ablations.without_class_token(encoder, last)(images)
    tower = encoder.model
    x = tower.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([tower.class_embedding.expand(3, 1, -1), x], dim=1) + tower.positional_embedding
    torch.testing.assert_close(found, tower.ln_post(tower.transformer(x)[:, 1:].mean(dim=1)))


def test_the_network_itself_stays_as_it_is(encoder_of, pixels, root_of):
    encoder, images = encoder_of("vit"), pixels(2, 32)
    before, vectors, root = state(encoder), encoder.encode_pixels(images), root_of(encoder)
    last = find_taps(encoder, root)[-1]
    for encode in (
        ablations.without_skip(encoder, root.find("transformer.resblocks.0")),
        ablations.without_blocks(encoder, ["transformer.resblocks.0"]),
        ablations.without_head(encoder, "transformer.resblocks.0.attn", 0),
        ablations.shuffled_positions(encoder, seed=0),
        ablations.without_class_token(encoder, last),
    ):
        assert not torch.allclose(encode(images), vectors, atol=1e-3)
        assert torch.equal(encoder.encode_pixels(images), vectors)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.model.state_dict().items())


def test_a_copy_shares_the_weights(encoder_of, pixels):
    encoder = encoder_of("clip-vit")
    tower, encode = encoder.image_copy()
    assert all(one is other for one, other in zip(tower.parameters(), encoder.image_tower.parameters(), strict=True))
    assert not any(one is other for one, other in zip(tower.modules(), encoder.image_tower.modules(), strict=True))
    torch.testing.assert_close(encode(pixels(2, 32)), encoder.encode_pixels(pixels(2, 32)), rtol=0, atol=0)


class Written(nn.Module):
    """One block, whose forward is given."""

    class Block(nn.Module):
        def __init__(self, run):
            super().__init__()
            self.one, self.two, self.run = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), run

        def forward(self, x):
            return self.run(self, x)

    def __init__(self, run):
        super().__init__()
        self.block = self.Block(run)

    def forward(self, images):
        return self.block(images)


def in_place(block, x):
    out = block.two(block.one(x))
    out += x
    return out


def unused_result(block, x):
    out = block.one(x)
    x = x.clone()
    x.add_(out)
    return x


@pytest.mark.parametrize(
    ("run", "without"),
    [
        (lambda block, x: x + block.one(x), lambda block, x: block.one(x)),
        (lambda block, x: torch.add(block.one(x), x), lambda block, x: block.one(x)),
        (in_place, lambda block, x: block.two(block.one(x))),
        (unused_result, lambda block, x: block.one(x)),
        (lambda block, x: x + block.one(x) + block.two(x), lambda block, x: block.one(x) + block.two(x)),  # parallel
        (lambda block, x: block.one(x) + 1 + x, lambda block, x: block.one(x) + 1),  # one sum is no skip
        (lambda block, x: block.one(x) + block.two(x), lambda block, x: block.one(x) + block.two(x)),  # two branches
    ],
)
def test_skips_however_they_are_written(wrap, pixels, root_of, run, without):
    encoder, images = wrap(Written(run)), pixels(2, 16)
    found = ablations.without_skip(encoder, root_of(encoder).find("block"))(images)
    block = encoder.model.block
    torch.testing.assert_close(found, without(block, images).flatten(2).mean(dim=2))


def test_a_block_that_sums_otherwise_than_it_was_traced(wrap, pixels, root_of):
    def moody(block, x):
        return x + block.one(x) + block.two(x) if x.is_meta else x + block.one(x)

    encoder = wrap(Written(moody))
    with pytest.raises(VisavisError, match="block makes 1 sums, not the 2 that are known of it"):
        ablations.without_skip(encoder, root_of(encoder).find("block"))(pixels(1, 16))
