"""The supervised ViT and CLIP's, side by side."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from visavis.models.clip_vit import CLIPVisionTransformer, CLIPViTConfig
from visavis.models.vit import VisionTransformer, ViTConfig, embed_patches

PLAIN = ViTConfig(image_size=16, patch_size=4, width=24, layers=2, heads=3, num_classes=5)
CLIPS = CLIPViTConfig(image_size=16, patch_size=4, width=24, layers=2, heads=3, embed_dim=10)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(config: ViTConfig | CLIPViTConfig) -> VisionTransformer | CLIPVisionTransformer:
    """Every parameter drawn, so that zero class tokens and heads hide nothing."""
    model = VisionTransformer(config) if isinstance(config, ViTConfig) else CLIPVisionTransformer(config)
    source = generator(1)
    for parameter in model.parameters():
        parameter.normal_(std=0.3, generator=source)
    return model.eval()


def norm(x: Tensor, layer: torch.nn.LayerNorm, eps: float) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(variance + eps) * layer.weight + layer.bias


def patches(images: Tensor, size: int) -> Tensor:
    """Reading order, each flattened as channels, rows, columns: [batch, patches, 3 * size * size]."""
    found = [
        images[:, :, row : row + size, column : column + size].flatten(1)
        for row in range(0, images.shape[2], size)
        for column in range(0, images.shape[3], size)
    ]
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("config", [PLAIN, CLIPS], ids=["plain", "clip"])
def test_patch_embedding_is_one_linear_map_of_each_patch(config):
    model = built(config)
    images = torch.randn(2, 3, 16, 16, generator=generator())
    tokens = embed_patches(images, model.conv1, model.class_embedding)
    expected = patches(images, 4) @ model.conv1.weight.flatten(1).T
    if model.conv1.bias is not None:
        expected = expected + model.conv1.bias
    assert tokens.shape == (2, 1 + 16, 24)
    torch.testing.assert_close(tokens[:, 1:], expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(tokens[:, 0], model.class_embedding.expand(2, -1))


def test_clip_drops_the_patch_bias_and_the_plain_one_has_it():
    assert built(CLIPS).conv1.bias is None
    assert built(PLAIN).conv1.bias is not None


def test_plain_vit_is_its_four_equations():
    model, images = built(PLAIN), torch.randn(2, 3, 16, 16, generator=generator())
    z = embed_patches(images, model.conv1, model.class_embedding) + model.positional_embedding  # equation 1
    for block in model.transformer.blocks():
        z = block.attn(norm(z, block.ln_1, 1e-6)) + z  # equation 2
        z = block.mlp(norm(z, block.ln_2, 1e-6)) + z  # equation 3
    y = norm(z[:, 0], model.ln_post, 1e-6)  # equation 4
    torch.testing.assert_close(model.features(images), y, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(images), y @ model.head.weight.T + model.head.bias, atol=1e-5, rtol=1e-5)


def test_clips_vit_norms_before_the_blocks_and_projects_after_them():
    model, images = built(CLIPS), torch.randn(2, 3, 16, 16, generator=generator())
    z = embed_patches(images, model.conv1, model.class_embedding) + model.positional_embedding
    z = norm(z, model.ln_pre, 1e-5)
    for block in model.transformer.blocks():
        z = z + block.attn(norm(z, block.ln_1, 1e-5))
        z = z + block.mlp(norm(z, block.ln_2, 1e-5))
    torch.testing.assert_close(model(images), norm(z[:, 0], model.ln_post, 1e-5) @ model.proj, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", [PLAIN, CLIPS], ids=["plain", "clip"])
def test_the_order_of_patches_matters_through_positions_alone(config):
    model = built(config)
    images = torch.randn(1, 3, 16, 16, generator=generator())
    swapped = torch.cat([images[..., 8:], images[..., :8]], dim=3)  # whole patches change places
    read = model.features if isinstance(model, VisionTransformer) else model
    assert not torch.allclose(read(images), read(swapped), atol=1e-3)
    model.positional_embedding[1:] = 0
    torch.testing.assert_close(read(images), read(swapped), atol=1e-5, rtol=1e-5)


def test_plain_initialisation():
    config = ViTConfig(image_size=64, patch_size=8, width=256, layers=2, heads=4)
    model = VisionTransformer(config)
    model.init_weights(generator())
    assert not any(zero.any() for zero in (model.class_embedding, model.head.weight, model.head.bias))
    expected = [
        (model.conv1.weight, (3 * 8 * 8) ** -0.5),
        (model.positional_embedding, 0.02),
        # Xavier uniform: deviation sqrt(2 / (in + out)); query, key and value are square maps of their own
        (model.transformer.blocks()[0].attn.in_proj_weight, (2 / 512) ** 0.5),
        (model.transformer.blocks()[1].mlp.c_fc.weight, (2 / 1280) ** 0.5),
    ]
    for weight, std in expected:
        assert float(weight.std()) == pytest.approx(std, rel=5 / math.sqrt(2 * weight.numel()))
    bound = (6 / 512) ** 0.5  # uniform within it, and nearly to its ends
    assert 0.999 * bound < float(model.transformer.blocks()[0].attn.in_proj_weight.abs().max()) <= bound


def test_clips_initialisation():
    model = CLIPVisionTransformer(
        CLIPViTConfig(image_size=64, patch_size=8, width=256, layers=2, heads=4, embed_dim=64)
    )
    model.init_weights(generator())
    # width^-0.5 = 1/16 in OpenAI's code; the patch embedding keeps its inputs' variance
    for weight in (model.class_embedding, model.positional_embedding, model.proj):
        assert float(weight.std()) == pytest.approx(1 / 16, rel=5 / math.sqrt(2 * weight.numel()))
    count = model.conv1.weight.numel()
    assert float(model.conv1.weight.std()) == pytest.approx(192**-0.5, rel=5 / math.sqrt(2 * count))


@pytest.mark.parametrize("kind", [ViTConfig, CLIPViTConfig])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_size": 225}, "image_size must be a multiple of patch_size, not 225 with patches of"),
        ({"patch_size": 0}, "patch_size must be a whole number from 1"),
        ({"width": 100}, "width must be a multiple of heads, not 100 with 12 heads"),
        ({"heads": 0}, "heads must be a whole number"),
        ({"layers": -1}, "layers must be a whole number"),
        ({"activation": "relu"}, "activation must be 'gelu' or 'quickgelu', not 'relu'"),
    ],
)
def test_impossible_configurations(kind, values, words):
    with pytest.raises(ValueError, match=words):
        kind(**values)
