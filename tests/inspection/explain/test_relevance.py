from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.inspection.explain.relevance import gather, relevance


def test_one_layer_of_two_tokens_worked_by_hand() -> None:
    """Chefer et al. 2021, equations 5 and 6, from R = 1.

    Head 1: gradient * weights = [[1 * 1/2, -2 * 1/2], [0, 3 * 1]] -> positive part [[1/2, 0], [0, 3]].
    Head 2: [[0, 4 * 1/4], [1 * 1/2, 0]] -> [[0, 1], [1/2, 0]]. Mean of both: [[1/4, 1/2], [1/4, 3/2]].
    R = 1 + that = [[5/4, 1/2], [1/4, 5/2]].
    """
    weights = torch.tensor([[[0.5, 0.5], [0, 1]], [[0.75, 0.25], [0.5, 0.5]]])
    gradients = torch.tensor([[[1.0, -2], [5, 3]], [[-1, 4], [1, -3]]])
    gathered = gather([weights[None]], [gradients[None]])
    torch.testing.assert_close(gathered[0], torch.tensor([[5 / 4, 1 / 2], [1 / 4, 5 / 2]]), atol=0, rtol=0)
    # The same layer again: R + A R, with A = [[1/4, 1/2], [1/4, 3/2]].
    twice = gather([weights[None]] * 2, [gradients[None]] * 2)
    expected = torch.tensor([[5 / 4 + 7 / 16, 1 / 2 + 11 / 8], [1 / 4 + 11 / 16, 5 / 2 + 31 / 8]])
    torch.testing.assert_close(twice[0], expected, atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["vit", "clip-vit"])
def test_of_a_network_it_is_the_definition_written_plainly(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any], kind: str
) -> None:
    """The network's own layers called one by one here, its attention written out with the weights as leaves."""
    encoder = encoder_of(kind)
    pixels = pixels_for(encoder)
    direction = torch.randn(encoder.embed_dim, generator=torch.Generator().manual_seed(2))

    def score(vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) @ direction

    found = relevance(lambda given: score(encoder.trace_pixels(given)), pixels)
    tower, attention = encoder.image_tower, []
    x = tower.conv1(pixels).flatten(2).transpose(1, 2)  # [batch, patches, width]
    x = torch.cat([tower.class_embedding.expand(len(x), 1, -1), x], dim=1) + tower.positional_embedding
    x = tower.ln_pre(x) if kind == "clip-vit" else x
    for block in tower.transformer.blocks():
        normed, heads = block.ln_1(x), block.attn.heads
        query, key, value = (normed @ block.attn.in_proj_weight.T + block.attn.in_proj_bias).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value))
        weights = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1).requires_grad_()
        attention.append(weights)
        x = x + block.attn.out_proj((weights @ value).transpose(1, 2).flatten(2))
        x = x + block.mlp(block.ln_2(x))
    vectors = tower.ln_post(x[:, 0])
    vectors = vectors @ tower.proj if kind == "clip-vit" else vectors
    torch.testing.assert_close(vectors, encoder.trace_pixels(pixels), atol=1e-4, rtol=1e-4)
    gradients = torch.autograd.grad(score(vectors).sum(), attention)
    for number in range(len(pixels)):
        gathered = torch.eye(17)
        for weights, gradient in zip(attention, gradients, strict=True):
            layer = torch.zeros(17, 17)
            for head in range(weights.shape[1]):
                layer += (gradient[number, head] * weights[number, head].detach()).clamp(min=0) / weights.shape[1]
            gathered = gathered + layer @ gathered
        scale = float((gathered - torch.eye(17)).max())
        torch.testing.assert_close(found[number], gathered, atol=1e-4 * scale, rtol=0)


def test_what_speaks_against_the_target_speaks_for_its_opposite(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any]
) -> None:
    encoder = encoder_of("vit")
    pixels = pixels_for(encoder)
    maps = [relevance(lambda given, s=sign: s * encoder.trace_pixels(given)[:, 0], pixels) for sign in (1, -1)]
    assert min(float(made.min()) for made in maps) >= 0
    assert not torch.allclose(maps[0], maps[1])
