from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.inspection.explain.occlusion import occlusion


@settings(deadline=None, max_examples=40)
@given(st.integers(4, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_against_a_loop_over_pixels(side: int, window: int, stride: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels, slopes = random.normal(size=(2, 3, side, side)), random.normal(size=(3, side, side))

    def score(image: np.ndarray) -> float:
        return float((image * slopes).sum()) ** 2  # not linear: a cover's fall depends on the rest

    tops = sorted({min(start, side - window) for start in range(0, side, stride)})
    for number, image in enumerate(pixels):
        falls: list[list[list[float]]] = [[[] for _ in range(side)] for _ in range(side)]
        for top in tops:
            for left in tops:
                covered = image.copy()
                for row in range(top, top + window):
                    for column in range(left, left + window):
                        covered[:, row, column] = 0
                for row in range(top, top + window):
                    for column in range(left, left + window):
                        falls[row][column].append(score(image) - score(covered))
        found = occlusion(
            lambda given: torch.einsum("bcyx,cyx->b", given, torch.from_numpy(slopes)) ** 2,
            torch.from_numpy(pixels),
            window=window,
            stride=stride,
        )
        if stride <= window:  # else pixels between the places are never covered
            expected = np.array([[np.mean(cell) for cell in row] for row in falls])
            np.testing.assert_allclose(found[number].numpy(), expected, atol=1e-9 * max(1, np.abs(expected).max()))


def test_it_finds_the_only_pixel_that_counts() -> None:
    pixels = torch.ones(1, 3, 6, 6)
    found = occlusion(lambda images: images[:, 0, 4, 1] - images[:, 1, 0, 5], pixels, window=2, stride=1)[0]
    assert found.max() == found[4, 1] == 1  # every cover over it takes 1
    assert found[3, 2] == 0.25  # of four covers over it, one takes the pixel too
    assert found[0, 5] == -1  # the corner's only cover adds 1
    assert found[2, 2] == 0


def test_the_image_itself_is_not_changed() -> None:
    pixels = torch.ones(1, 3, 4, 4)
    occlusion(lambda images: images.sum(dim=(1, 2, 3)), pixels, window=2, stride=2)
    assert bool((pixels == 1).all())


def test_what_moves_in_the_image_moves_in_the_map() -> None:
    def score(images: torch.Tensor) -> torch.Tensor:
        return images.relu().amax(dim=1).flatten(1).square().sum(dim=1)

    first, second = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    first[..., 4:6, 4:7] = 3
    second[..., 8:10, 6:9] = 3  # 4 rows down, 2 columns to the right
    maps = [occlusion(score, given, window=4, stride=2)[0] for given in (first, second)]
    torch.testing.assert_close(maps[1][6:14, 4:12], maps[0][2:10, 2:10])
