from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from visavis.models.clip_resnet import AttentionPool, Bottleneck, CLIPResNet, CLIPResNetConfig
from visavis.zoo.architectures import find_config, outline_model

TINY = CLIPResNetConfig(layers=(1, 1, 2, 1), width=8, image_size=64, embed_dim=12)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny() -> CLIPResNet:
    model = CLIPResNet(TINY)
    model.init_weights(generator())
    return model.eval()


def full_query_pool(pool: AttentionPool, maps: Tensor) -> Tensor:
    """As published: every place asks, all answers are computed, and only the mean's is kept."""
    outputs = []
    for image in maps:  # [channels, height, width]
        places = image.flatten(1).T  # [places, channels]
        x = torch.cat([places.mean(0, keepdim=True), places]) + pool.positional_embedding
        size = x.shape[1] // pool.heads
        heads = []
        for head in range(pool.heads):
            own = slice(head * size, (head + 1) * size)
            query, key, value = (layer(x)[:, own] for layer in (pool.q_proj, pool.k_proj, pool.v_proj))
            heads.append(torch.softmax(query @ key.T / math.sqrt(size), dim=1) @ value)
        outputs.append(pool.c_proj(torch.cat(heads, dim=1))[0])
    return torch.stack(outputs)


def test_attention_pooling_with_one_query_equals_the_full_form():
    pool = AttentionPool(side=3, channels=24, heads=4, embed_dim=10)
    source = generator()
    for parameter in pool.parameters():
        parameter.normal_(std=0.4, generator=source)
    maps = torch.randn(5, 24, 3, 3, generator=source)
    torch.testing.assert_close(pool(maps), full_query_pool(pool, maps), atol=1e-5, rtol=1e-5)


def test_new_blocks_are_their_shortcuts():
    # bn3's zero scale silences the residual branch: relu(0 + shortcut(x))
    model = tiny()
    blocks = [module for module in model.modules() if isinstance(module, Bottleneck)]
    assert len(blocks) == 5
    for block in blocks:
        assert not block.bn3.weight.any()
        x = torch.randn(2, block.conv1.in_channels, 8, 8, generator=generator())
        torch.testing.assert_close(block(x), torch.relu(block.downsample(x)), atol=0, rtol=0)


def test_only_the_residual_branch_starts_at_zero():
    for name, module in tiny().named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == (0 if name.endswith("bn3") and "layer" in name else 1)).all()), name


def test_strides_are_average_pools():
    model = outline_model(find_config("RN50")).visual
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 55  # ResNet-50's 53, with three in the stem in place of one
    assert [module.stride for module in convolutions].count((2, 2)) == 1  # the first of the stem
    assert model.conv1.stride == (2, 2)
    for stage, stride in ((model.layer1, 1), (model.layer2, 2), (model.layer3, 2), (model.layer4, 2)):
        pool = stage[0].avgpool
        assert (pool.kernel_size if isinstance(pool, nn.AvgPool2d) else 1) == stride
        assert stage[0].downsample[0].kernel_size == stride
        assert all(isinstance(block.avgpool, nn.Identity) for block in stage[1:])


def test_a_strided_shortcut_averages_before_it_projects():
    block = Bottleneck(4, 2, stride=2).eval()
    source = generator()
    x = torch.randn(1, 4, 4, 4, generator=source)
    nn.init.zeros_(block.bn3.weight)
    means = x.view(1, 4, 2, 2, 2, 2).mean(dim=(3, 5))  # each 2x2 square
    projected = torch.einsum("oc,bchw->bohw", block.downsample[1].weight[:, :, 0, 0], means)
    scaled = projected / math.sqrt(1 + 1e-5)  # a fresh batch norm in evaluation: mean 0, variance 1, eps 1e-5
    torch.testing.assert_close(block(x), torch.relu(scaled), atol=1e-6, rtol=1e-5)


def test_shapes_through_the_stages():
    model = tiny()
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("conv1", "avgpool", "layer1", "layer2", "layer3", "layer4", "attnpool"):
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: shapes.update({name: tuple(output.shape[1:])})
        )
    model(torch.zeros(2, 3, 64, 64))
    assert shapes == {
        "conv1": (4, 32, 32),
        "avgpool": (8, 16, 16),
        "layer1": (32, 16, 16),
        "layer2": (64, 8, 8),
        "layer3": (128, 4, 4),
        "layer4": (256, 2, 2),
        "attnpool": (12,),
    }


def test_initial_deviation_of_the_attention_pooling():
    # channels^-0.5: 32 * 32 = 1024 channels, so 1/32
    model = CLIPResNet(CLIPResNetConfig(layers=(1, 1, 1, 1), width=32, image_size=64, embed_dim=64))
    model.init_weights(generator())
    pool = model.attnpool
    weights = [pool.q_proj.weight, pool.k_proj.weight, pool.v_proj.weight, pool.c_proj.weight]
    for weight in [*weights, pool.positional_embedding]:
        assert float(weight.std()) == pytest.approx(1 / 32, rel=5 / math.sqrt(2 * weight.numel()))
    assert not any(layer.bias.any() for layer in (pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj))


def test_published_head_counts():
    # Radford et al., table 20: 32, 32, 40, 48, 64 heads
    names = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64")
    assert [find_config(name).visual.heads for name in names] == [32, 32, 40, 48, 64]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_size": 100}, "image_size must be a multiple of 32, not 100"),
        ({"width": 7}, "width must be even, not 7"),
        ({"width": 10**9}, "width must be a whole number from 1 to 1048576"),
        ({"layers": (1, 1, 1, 1, 1)}, "layers must be four positive counts"),
        ({"embed_dim": 0}, "embed_dim must be a whole number"),
    ],
)
def test_impossible_configurations(values, words):
    with pytest.raises(ValueError, match=words):
        CLIPResNetConfig(**{"layers": (1, 1, 1, 1), **values})
