from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visavis.inspection.explain.curves import PARTS, area, blurred, exchange, order_of, random_map


def test_curves_and_areas_worked_by_hand() -> None:
    """Of 4 x 4 pixels, one leaves a step; the answer is the sum of the first channel, 16 ones against zeros.

    Whatever the order, it falls by 1 a step: 16, 15, ..., 0, with the area 8.
    """
    white, black = torch.ones(3, 4, 4), torch.zeros(3, 4, 4)
    order = np.random.default_rng(0).permutation(16)
    curve = exchange(lambda images: images[:, 0].sum(dim=(1, 2)), white, black, order)
    np.testing.assert_array_equal(curve, np.arange(PARTS, -1, -1))
    assert area(curve) == 8
    back = exchange(lambda images: images[:, 0].sum(dim=(1, 2)), black, white, order)
    np.testing.assert_array_equal(back, np.arange(PARTS + 1))


def test_an_order_that_knows_beats_one_that_does_not() -> None:
    """The answer is pixel 5 alone: taken away first, the curve is 1 at the start only; taken last, all but the end.

    Areas by trapezoids over 16 steps: 1/2 of one step, 1/32; and 15 steps and a half, 31/32.
    """
    white, black = torch.ones(3, 4, 4), torch.zeros(3, 4, 4)
    others = [pixel for pixel in range(16) if pixel != 5]
    curves = [
        exchange(lambda images: images[:, 0, 1, 1], white, black, np.array(order))
        for order in ([5, *others], [*others, 5])
    ]
    assert area(np.stack(curves)).tolist() == [1 / 32, 31 / 32]


def test_pixels_that_do_not_divide_into_parts_are_all_exchanged() -> None:
    start, end = torch.rand(3, 5, 5), torch.rand(3, 5, 5)
    kept: list[torch.Tensor] = []
    exchange(lambda images: kept.append(images.clone()) or images.sum(dim=(1, 2, 3)), start, end, np.arange(25))
    torch.testing.assert_close(kept[0][0], start, atol=0, rtol=0)
    torch.testing.assert_close(kept[0][-1], end, atol=0, rtol=0)
    changed = [(images != start).any(dim=0).sum().item() for images in kept[0]]
    assert changed == [round(step * 25 / PARTS) for step in range(PARTS + 1)]


@given(arrays(np.float64, (4, 4), elements=st.floats(-5, 5)), st.integers(0, 99))
def test_an_order_is_one_of_all_pixels_from_high_to_low(values: np.ndarray, seed: int) -> None:
    order = order_of(values, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(16))
    assert (np.diff(values.ravel()[order]) <= 0).all()


def test_equal_pixels_come_in_a_random_order() -> None:
    orders = [order_of(np.zeros((4, 4)), np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != list(range(16))


def test_blurring_keeps_the_mean_and_loses_the_drawing() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    hidden = blurred(picture)
    assert hidden.mean() == pytest.approx(picture.mean(), abs=2)
    assert hidden.std() < picture.std() / 10


def test_a_random_map_is_smooth_and_seeded() -> None:
    maps = [random_map(64, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert abs(np.corrcoef(maps[0].ravel(), maps[2].ravel())[0, 1]) < 0.5
    assert np.abs(np.diff(maps[0], axis=0)).max() <= 1 / 8 + 1e-9  # a cell is 8 pixels wide, and values lie in 0 to 1
