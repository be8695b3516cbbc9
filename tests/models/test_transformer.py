from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from visavis.models.transformer import MLP, Attention, Block, QuickGELU, Transformer, activation_module


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """Every parameter drawn, so that none hides a mistake by being zero or one."""
    source = generator(1)
    for parameter in module.parameters():
        parameter.normal_(std=0.3, generator=source)
    return module.eval()


def plain_attention(module: Attention, x: Tensor, causal: bool) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V, one head and one image after the other (Vaswani et al. 2017, equation 1)."""
    width = x.shape[-1]
    size = width // module.heads
    weights = module.in_proj_weight.split(width)  # query, key, value: each [width, width]
    biases = module.in_proj_bias.split(width)
    images = []
    for tokens in x:  # [tokens, width]
        q, k, v = (tokens @ weight.T + bias for weight, bias in zip(weights, biases, strict=True))
        heads = []
        for head in range(module.heads):
            own = slice(head * size, (head + 1) * size)
            scores = q[:, own] @ k[:, own].T / math.sqrt(size)  # [tokens, tokens]
            if causal:
                scores = scores + torch.full_like(scores, -math.inf).triu(1)
            heads.append(torch.softmax(scores, dim=1) @ v[:, own])
        images.append(torch.cat(heads, dim=1) @ module.out_proj.weight.T + module.out_proj.bias)
    return torch.stack(images)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("width", "heads"), [(12, 1), (12, 3), (32, 4)])
def test_attention_is_the_formula(width, heads, causal):
    module = randomised(Attention(width, heads))
    x = torch.randn(3, 7, width, generator=generator())
    torch.testing.assert_close(module(x, causal), plain_attention(module, x, causal), atol=1e-5, rtol=1e-5)


def test_the_causal_mask_is_not_the_full_one():
    module = randomised(Attention(12, 3))
    x = torch.randn(1, 5, 12, generator=generator())
    full, causal = module(x), module(x, True)
    assert not torch.allclose(full[:, :-1], causal[:, :-1], atol=1e-3)
    torch.testing.assert_close(full[:, -1], causal[:, -1])  # the last token sees all in both


def test_attention_without_positions_does_not_care_for_order():
    module = randomised(Attention(12, 3))
    x = torch.randn(2, 6, 12, generator=generator())
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order], atol=1e-5, rtol=1e-5)


def test_quickgelu_by_hand():
    # x / (1 + e^(-1.702 x)): e^-1.702 = 0.1823185, so 1 -> 0.8457958 and -1 -> -(1 - 0.8457958) = -0.1542042
    x = torch.tensor([-1.0, 0.0, 1.0, 100.0])
    torch.testing.assert_close(QuickGELU()(x), torch.tensor([-0.1542042, 0.0, 0.8457958, 100.0]), atol=1e-6, rtol=0)


def test_gelu_by_hand():
    # x Phi(x), exact and not the tanh approximation: Phi(1) = 0.8413447, Phi(-2) = 0.0227501
    x = torch.tensor([-2.0, 0.0, 1.0])
    gelu = activation_module("gelu")
    torch.testing.assert_close(gelu(x), torch.tensor([-0.0455003, 0.0, 0.8413447]), atol=1e-6, rtol=0)


def test_the_two_activations_differ_visibly():
    x = torch.linspace(-3, 3, 61)
    difference = (activation_module("quickgelu")(x) - activation_module("gelu")(x)).abs().max()
    assert 0.01 < float(difference) < 0.03  # Hendrycks and Gimpel: about 0.02


def test_block_is_two_residual_steps_on_normed_input():
    block = randomised(Block(12, 3, 48, "gelu", eps=1e-5))
    x = torch.randn(2, 5, 12, generator=generator())

    def norm(values: Tensor, layer: torch.nn.LayerNorm) -> Tensor:
        mean = values.mean(-1, keepdim=True)
        variance = ((values - mean) ** 2).mean(-1, keepdim=True)  # divided by n, not n - 1
        return (values - mean) / torch.sqrt(variance + 1e-5) * layer.weight + layer.bias

    after = x + plain_attention(block.attn, norm(x, block.ln_1), causal=False)
    hidden = norm(after, block.ln_2) @ block.mlp.c_fc.weight.T + block.mlp.c_fc.bias  # [batch, tokens, 48]
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    after = after + hidden @ block.mlp.c_proj.weight.T + block.mlp.c_proj.bias
    torch.testing.assert_close(block(x), after, atol=1e-5, rtol=1e-5)


def test_feed_forward_treats_each_token_alone():
    mlp = randomised(MLP(8, 20, "quickgelu"))
    x = torch.randn(1, 4, 8, generator=generator())
    changed = x.clone()
    changed[:, 2] += 1
    same = [0, 1, 3]
    torch.testing.assert_close(mlp(x)[:, same], mlp(changed)[:, same], atol=0, rtol=0)


def test_initial_deviations_are_clips():
    # Radford et al.'s released code: attention width^-0.5, what writes to the stream width^-0.5 (2 layers)^-0.5,
    # what enters the feed-forward network (2 width)^-0.5. With width 256 and 8 layers: 1/16, 1/64, 1/22.63.
    transformer = Transformer(256, layers=8, heads=4)
    transformer.init_weights(generator())
    for block in transformer.blocks():
        expected = {
            block.attn.in_proj_weight: 1 / 16,
            block.attn.out_proj.weight: 1 / 64,
            block.mlp.c_fc.weight: 512**-0.5,
            block.mlp.c_proj.weight: 1 / 64,
        }
        for weight, std in expected.items():
            # the deviation of n draws is known to 1 / sqrt(2 n): 65,536 draws at least, so 5 sigma are 1.4%
            assert float(weight.std()) == pytest.approx(std, rel=5 / math.sqrt(2 * weight.numel()))
            assert abs(float(weight.mean())) < 5 * std / math.sqrt(weight.numel())
        assert not block.attn.in_proj_bias.any()
        assert not block.mlp.c_fc.bias.any()
        assert bool((block.ln_1.weight == 1).all())
