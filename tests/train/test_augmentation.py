from __future__ import annotations

import math

import pytest
import torch

from visavis.train.augmentation import augment_icons, outlines, random_affine, random_colours


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=generator(9))


def half_black(count: int) -> torch.Tensor:
    """The left half black, the right one white."""
    images = torch.ones(count, 3, 64, 64)
    images[..., 16:48, 8:32] = 0
    return images


@pytest.mark.parametrize("change", [augment_icons, random_affine, random_colours])
def test_equal_generators_give_equal_images(change):
    images = noise()
    before = images.clone()
    one, same, other = (
        change(images, generator(1)),
        change(images, generator(1)),
        change(images, generator(2)),
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(images, before)  # the input is left alone
    assert one.shape == images.shape


def test_torchs_own_generator_is_left_alone():
    before = torch.get_rng_state()
    augment_icons(noise(), generator())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("change", [augment_icons, random_affine, random_colours])
@pytest.mark.parametrize("seed", range(5))
def test_values_stay_between_black_and_white(change, seed):
    changed = change(noise(32), generator(seed))
    assert float(changed.min()) >= -1e-6  # bilinear weights sum to one within float32's rounding
    assert float(changed.max()) <= 1 + 1e-6


@pytest.mark.parametrize("change", [augment_icons, random_affine, random_colours])
def test_white_stays_white(change):
    white = torch.ones(64, 3, 16, 16)
    torch.testing.assert_close(change(white, generator()), white, atol=1e-6, rtol=0)


def test_no_mirror_images():
    # Dark on the left stays left of the middle: turned by 15 degrees and shifted by 10% at most. A mirror would not.
    images = random_affine(half_black(400), generator())
    ink = 1 - images.mean(dim=(1, 2))  # [images, columns]
    centre = (ink * torch.arange(64)).sum(1) / ink.sum(1)
    assert float(centre.max()) < 32


def test_moves_are_as_large_as_said():
    # A square of 24 px in the middle: sides scaled by 0.75 to 1.2, so its area is 0.5625 to 1.44 times 576 px,
    # and its centre moves by up to 10% of the side times 1.2: the shift comes before the scale.
    images = torch.ones(500, 3, 64, 64)
    images[..., 20:44, 20:44] = 0
    ink = 1 - random_affine(images, generator())[:, 0]
    area = ink.sum(dim=(1, 2)) / 576
    assert 0.55 < float(area.min()) < 0.65
    assert 1.3 < float(area.max()) < 1.45
    middle = (ink.sum(1) * (torch.arange(64) - 31.5)).sum(1) / ink.sum(dim=(1, 2))
    assert 5.5 < float(middle.abs().max()) < 0.1 * 64 * 1.2 * (1 + math.tan(math.radians(15)))


def test_colours_change_and_grey_keeps_its_hue():
    grey = torch.full((50, 3, 4, 4), 0.5)
    changed = random_colours(grey, generator())
    torch.testing.assert_close(changed[:, 0], changed[:, 1], atol=1e-5, rtol=0)  # equal channels stay equal
    # ink of 0.5 times 0.7 to 1.3: brightness 0.35 to 0.65
    assert 0.349 < float(changed.min()) < 0.4
    assert 0.6 < float(changed.max()) < 0.651


def test_outlines_are_black_lines_on_white_at_the_edges():
    lines = outlines(half_black(1))[0, 0]
    assert float(lines[30, 20]) == 1  # inside, where nothing changes
    assert float(lines[30, 60]) == 1  # outside
    assert float(lines[30, 31]) == float(lines[30, 32]) == 0  # both sides of the edge between columns 31 and 32


def test_shares_of_outlines():
    # 15% become lines alone; of half-black pictures these are the ones whose inside turns white
    pictures = augment_icons(half_black(2000), generator())
    darkest = torch.nn.functional.avg_pool2d(pictures.mean(1, keepdim=True), 9, stride=1).amin(dim=(1, 2, 3))
    share = float((darkest > 0.5).float().mean())
    assert abs(share - 0.15) < 5 * math.sqrt(0.15 * 0.85 / 2000)
