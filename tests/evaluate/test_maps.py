"""Maps against scikit-learn and SciPy; what turning, mirroring and scaling may not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist

from visavis.evaluate.maps import (
    MOMENTS,
    likeness,
    pair_moments,
    principal_map,
    sectors_of,
    spread_out,
    turn_onto,
)

planes = arrays(np.float64, (12, 2), elements=some.floats(-5, 5).map(lambda v: round(v, 3))).map(
    lambda own: own + np.random.default_rng(0).normal(size=own.shape) * 0.1  # never all in one place
)
angles = some.floats(0, 6.28)


def turned(places: np.ndarray, angle: float, mirrored: bool = False) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return places @ (turn * [1, -1] if mirrored else turn)


def alike(first: np.ndarray, second: np.ndarray) -> float:
    return float(likeness(pair_moments(first, second).mean(axis=0)))


def test_vectors_on_a_plane_are_mapped_without_loss():
    """Unit vectors close to one pole differ in two directions only: distances on the map are theirs, to scale."""
    offsets = np.random.default_rng(1).normal(size=(40, 2)) * 1e-3
    vectors = np.zeros((40, 7))
    vectors[:, 0], vectors[:, [3, 5]] = 1, offsets
    found = principal_map(vectors * np.linspace(1, 9, 40)[:, None])  # lengths mean nothing
    assert found.explained == pytest.approx(1, abs=1e-5)
    ratio = pdist(found.places) / pdist(offsets)
    assert ratio.max() / ratio.min() == pytest.approx(1, abs=1e-3)
    assert (found.places**2).sum(axis=1).mean() == pytest.approx(1)
    np.testing.assert_allclose(found.places.mean(axis=0), 0, atol=1e-9)


def test_vectors_that_point_one_way_have_no_map():
    with pytest.raises(ValueError, match="same way"):
        principal_map(np.ones((5, 4)) * np.arange(1, 6)[:, None])


@given(planes, planes)
def test_likeness_is_what_scipys_procrustes_leaves(first, second):
    assert alike(first, second) == pytest.approx(1 - procrustes(first, second)[2], abs=1e-9)
    assert alike(first, second) == pytest.approx(alike(second, first), abs=1e-9)
    assert -1e-9 <= alike(first, second) <= 1 + 1e-9


@given(planes, angles, some.booleans(), some.floats(0.1, 10))
def test_turns_mirrors_scales_and_shifts_change_nothing(places, angle, mirrored, scale):
    assert alike(places, turned(places, angle, mirrored) * scale + 3) == pytest.approx(1, abs=1e-6)


@given(planes, angles, some.booleans())
def test_a_turned_map_finds_back(places, angle, mirrored):
    places = places - places.mean(axis=0)
    np.testing.assert_allclose(turn_onto(turned(places, angle, mirrored), places), places, atol=1e-6)


def test_likeness_of_many_resamples_at_once():
    random = np.random.default_rng(0)
    moments = pair_moments(random.normal(size=(30, 2)), random.normal(size=(30, 2)))
    assert moments.shape == (30, MOMENTS)
    means = np.stack([moments[:20].mean(axis=0), moments[10:].mean(axis=0)])
    assert likeness(means).tolist() == pytest.approx([float(likeness(mean)) for mean in means])


@given(planes, some.integers(1, 20))
def test_pictures_are_spread_out(places, count):
    chosen = spread_out(places, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(places))
    if len(chosen) > 2:  # each is as far from those before it as any image is
        before = places[chosen[:-1]]
        reach = [np.linalg.norm(before - place, axis=1).min() for place in places]
        assert reach[chosen[-1]] == pytest.approx(max(reach))


def test_sectors_are_those_of_the_classes_means():
    middle = np.deg2rad([10, 100, 190, 280])
    places = np.repeat(np.stack([np.cos(middle), np.sin(middle)], axis=1), 2, axis=0)
    places[::2] *= 3  # a mean lies between its two images
    assert sectors_of(places, np.arange(8) // 2, 8).tolist() == [0, 2, 4, 6]
    assert sectors_of(places[::-1], np.arange(8) // 2, 4).tolist() == [3, 2, 1, 0]
