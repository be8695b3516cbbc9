from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.inspection.explain.rollout import roll_out, rollout


def test_three_tokens_two_layers_worked_by_hand() -> None:
    """Abnar and Zuidema 2020, equation 1, with one head a layer but the second, which has two.

    Layer 1 attends by [[0, 1, 0], [0, 1, 0], [1, 0, 0]]; with the skip connection, half of each:
        A1 = [[1/2, 1/2, 0], [0, 1, 0], [1/2, 0, 1/2]].
    Layer 2's heads attend by [[0, 0, 1], ...] and [[0, 1, 0], ...], whose mean has the first row [0, 1/2, 1/2]:
        first row of A2 = [1/2, 1/4, 1/4].
    First row of A2 A1 = 1/2 [1/2, 1/2, 0] + 1/4 [0, 1, 0] + 1/4 [1/2, 0, 1/2] = [3/8, 1/2, 1/8].
    """
    first = torch.tensor([[0.0, 1, 0], [0, 1, 0], [1, 0, 0]])
    second = torch.tensor([[[0.0, 0, 1], [1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]])
    rolled = roll_out([first[None, None], second[None]])
    torch.testing.assert_close(rolled[0, 0], torch.tensor([3 / 8, 1 / 2, 1 / 8]), atol=0, rtol=0)
    # Second row of A2 = [1/2, 1/2, 0]: 1/2 [1/2, 1/2, 0] + 1/2 [0, 1, 0] = [1/4, 3/4, 0]; the third stays A1's.
    torch.testing.assert_close(rolled[0, 1:], torch.tensor([[1 / 4, 3 / 4, 0], [1 / 2, 0, 1 / 2]]), atol=0, rtol=0)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(2, 6), st.integers(0, 99))
def test_shares_stay_shares(layers: int, heads: int, tokens: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(2, heads, tokens, tokens, generator=generator).softmax(-1) for _ in range(layers)]
    rolled = roll_out(weights)
    torch.testing.assert_close(rolled.sum(-1), torch.ones(2, tokens))
    assert rolled.min() >= 0


def test_of_a_network_it_is_the_class_tokens_row(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any]
) -> None:
    encoder = encoder_of("vit")
    pixels = pixels_for(encoder)
    shares = rollout(encoder.trace_pixels, pixels)
    assert shares.shape == (2, 17)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2))
    assert float((shares[0] - shares[1]).abs().max()) > 1e-6  # images differ, so attention does
