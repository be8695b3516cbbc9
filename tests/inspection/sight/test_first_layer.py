"""What first layers learnt, as pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from visavis.inspection.sight.first_layer import COMPONENTS, as_pictures, first_layer, principal_components


@pytest.mark.parametrize(
    ("kind", "name", "shape"), [("resnet", "conv1", (64, 7, 7, 3)), ("clip-resnet", "conv1", (4, 3, 3, 3))]
)
def test_sliding_windows_are_shown_as_filters(encoder_of, kind, name, shape):
    found = first_layer(encoder_of(kind))
    assert (found.layer, found.kind, found.pictures.shape, found.shares) == (name, "filters", shape, ())
    assert found.pictures.dtype == np.uint8


@pytest.mark.parametrize("kind", ["vit", "clip-vit"])
def test_patches_are_shown_as_principal_components(encoder_of, kind):
    encoder = encoder_of(kind)
    found = first_layer(encoder)
    assert (found.layer, found.kind, found.pictures.shape) == ("conv1", "principal components", (28, 8, 8, 3))
    std = np.array(encoder.preprocessing.std)[:, None, None]
    filters = encoder.image_tower.conv1.weight.double().numpy() / std  # of raw pixels
    oracle = PCA(COMPONENTS).fit(filters.reshape(32, -1))
    np.testing.assert_allclose(found.shares, oracle.explained_variance_ratio_, rtol=1e-9)
    components, _ = principal_components(filters)
    flat = components.reshape(COMPONENTS, -1)
    np.testing.assert_allclose(np.abs((flat * oracle.components_).sum(axis=1)), 1, rtol=1e-6)
    np.testing.assert_array_equal(flat[np.arange(COMPONENTS), np.abs(flat).argmax(axis=1)] > 0, True)


def test_no_more_components_than_there_are_directions():
    random = np.random.default_rng(0)
    filters = (random.normal(size=(50, 2)) @ random.normal(size=(2, 3 * 16))).reshape(50, 3, 4, 4) + 7
    components, shares = principal_components(filters)
    assert components.shape == (2, 3, 4, 4)
    assert shares.sum() == pytest.approx(1)
    assert len(principal_components(np.ones((5, 3, 2, 2)))[0]) == 0  # all the same


def test_grey_is_nothing_and_each_picture_has_its_own_scale():
    filters = np.zeros((3, 3, 1, 2))
    filters[0, 0, 0] = [0.5, -0.5]
    filters[1, 2, 0] = [-20, 10]
    red_and_not, blue, nothing = as_pictures(filters)
    assert red_and_not.tolist() == [[[255, 128, 128], [0, 128, 128]]]
    assert blue.tolist() == [[[128, 128, 0], [128, 128, 191]]]
    assert (nothing == 128).all()


def test_a_network_whose_first_layer_is_no_convolution(wrap):
    assert first_layer(wrap(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)))) is None
    grouped = nn.Sequential(nn.Conv2d(3, 3, 1, groups=3), nn.Conv2d(3, 4, 3))
    assert first_layer(wrap(grouped)).layer == "1"
    assert torch.is_tensor(grouped[1].weight)
