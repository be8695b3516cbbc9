from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.inspection.explain.attention import RecordedAttention, attention_weights


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(deadline=None, max_examples=30)
@given(
    heads=st.integers(1, 3),
    queries=st.integers(1, 5),
    keys=st.integers(1, 5),
    mask=st.sampled_from(["none", "boolean", "added"]),
    scale=st.sampled_from([None, 0.3]),
)
def test_the_plain_form_is_pytorchs_fused_one(
    heads: int, queries: int, keys: int, mask: str, scale: float | None
) -> None:
    query, key, value = drawn(2, heads, queries, 4), drawn(2, heads, keys, 4, seed=1), drawn(2, heads, keys, 3, seed=2)
    added = drawn(queries, keys, seed=3)
    seen = added > -0.5
    seen[:, 0] = True  # a query that sees nothing has no answer in either form
    masks = {"none": None, "boolean": seen, "added": added}
    fused = F.scaled_dot_product_attention(query, key, value, attn_mask=masks[mask], scale=scale)
    weights, mixed = attention_weights(query, key, value, attn_mask=masks[mask], scale=scale)
    torch.testing.assert_close(weights @ mixed, fused, atol=1e-12, rtol=0)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, heads, queries, dtype=torch.float64))


def test_causal_attention_sees_nothing_that_comes_later() -> None:
    query, key, value = (drawn(1, 2, 4, 3, seed=seed) for seed in range(3))
    weights, mixed = attention_weights(query, key, value, is_causal=True)
    assert not weights.triu(1).any()
    fused = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(weights @ mixed, fused, atol=1e-12, rtol=0)


def test_query_heads_that_share_keys() -> None:
    query, key, value = drawn(1, 4, 3, 2), drawn(1, 2, 3, 2, seed=1), drawn(1, 2, 3, 2, seed=2)
    weights, mixed = attention_weights(query, key, value, enable_gqa=True)
    fused = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    torch.testing.assert_close(weights @ mixed, fused, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("kind", "shapes"), [("vit", [(17, 17)] * 3), ("clip-resnet", [(1, 5)]), ("resnet", [])])
def test_every_layer_of_a_network_is_heard_and_answers_as_before(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any], kind: str, shapes: list[tuple[int, int]]
) -> None:
    encoder = encoder_of(kind)
    pixels = pixels_for(encoder)
    before = encoder.encode_pixels(pixels)
    with RecordedAttention() as recorded:
        during = encoder.encode_pixels(pixels)
    assert [tuple(weights.shape[-2:]) for weights in recorded.weights] == shapes
    torch.testing.assert_close(during, before, atol=1e-5 * float(before.abs().max()), rtol=0)


@pytest.mark.parametrize("gradients", [True, False])
def test_pytorchs_own_attention_module_is_heard_too(gradients: bool) -> None:
    module = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    x = drawn(1, 5, 8).float()
    with torch.set_grad_enabled(gradients), RecordedAttention() as recorded:
        answer, _ = module(x, x, x, need_weights=False)
    (weights,) = recorded.weights
    _, theirs = module(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(weights, theirs)
    assert answer.requires_grad == weights.requires_grad == gradients


def test_afterwards_pytorch_is_as_it_was_also_after_an_error() -> None:
    fused, shortcut = F.scaled_dot_product_attention, torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match="size"), RecordedAttention():
        F.scaled_dot_product_attention(drawn(1, 1, 2, 3), drawn(1, 1, 2, 4), drawn(1, 1, 2, 4))
    assert F.scaled_dot_product_attention is fused
    assert torch.backends.mha.get_fastpath_enabled() == shortcut


def test_weights_can_be_differentiated_with_respect_to_without_any_trained_parameter() -> None:
    query, key, value = (drawn(1, 1, 2, 2, seed=seed) for seed in range(3))
    with torch.enable_grad(), RecordedAttention() as recorded:
        score = F.scaled_dot_product_attention(query, key, value).sum()
    (gradient,) = torch.autograd.grad(score, recorded.weights)
    torch.testing.assert_close(gradient, value.sum(-1)[:, :, None, :].expand(1, 1, 2, 2))  # d(A v)/dA = v
