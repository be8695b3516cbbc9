"""Linear CKA against its definition, its properties, and what it must not do."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from visavis.errors import UsageError
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight.cka import batch_sizes, centre, compare_all, compare_layers, gram, hsic
from visavis.inspection.sight.taps import find_taps, listen


def cka(x, y):
    """Of two matrices of features [n, ...], from the functions under test."""
    a, b = (centre(gram(torch.as_tensor(part)).numpy()[None]) for part in (x, y))
    return float(hsic(a, b)[0, 0] / np.sqrt(hsic(a, a)[0, 0] * hsic(b, b)[0, 0]))


def full_hsic(x, y):
    """Song et al. 2012, equation 5, written out with whole matrices."""
    n = len(x)
    k, m = (part @ part.T for part in (np.asarray(x, float), np.asarray(y, float)))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    whole = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + whole - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def full_cka(x, y):
    return full_hsic(x, y) / np.sqrt(full_hsic(x, x) * full_hsic(y, y))


def features(n, width, seed):
    return np.random.default_rng(seed).normal(size=(n, width))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(4, 40), p=st.integers(1, 30), q=st.integers(1, 30), seed=st.integers(0, 2**31))
def test_equal_to_the_definition_with_whole_matrices(n, p, q, seed):
    x = features(n, p, seed)
    y = x @ features(p, q, seed + 1) + features(n, q, seed + 2)
    a, b = (centre(gram(torch.as_tensor(part)).numpy()[None]) for part in (x, y))
    scale = np.sqrt(abs(full_hsic(x, x) * full_hsic(y, y))) + 1
    assert abs(hsic(a, b)[0, 0] - full_hsic(x, y)) <= 1e-9 * scale


def test_equal_to_the_mean_over_all_quadruples():
    """HSIC is E[k l] + E[k] E[l] - 2 E[k l'] over different images; with six images all quadruples can be counted."""
    x, y = features(6, 3, 0), features(6, 2, 1)
    k, m = x @ x.T, y @ y.T
    terms = [k[i, j] * (m[i, j] + m[p, q] - 2 * m[i, p]) for i, j, p, q in permutations(range(6), 4)]
    a, b = (centre((part @ part.T)[None]) for part in (x, y))
    assert hsic(a, b)[0, 0] == pytest.approx(np.mean(terms), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100), seed=st.integers(0, 2**31))
def test_rotation_scale_and_shift_change_nothing(scale, shift, seed):
    x, y = features(24, 10, seed), features(24, 10, seed + 1)
    y[:, :5] += x[:, :5]
    rotation, _ = np.linalg.qr(features(10, 10, seed + 2))
    assert cka(scale * (x @ rotation) + shift, y) == pytest.approx(cka(x, y), abs=1e-6)
    assert cka(x, scale * (x @ rotation) + shift) == pytest.approx(1, abs=1e-6)
    assert cka(y, x) == pytest.approx(cka(x, y), abs=1e-12)


def test_a_stretch_of_one_direction_changes_it():
    x = features(24, 10, 0)
    assert cka(x, x * np.array([100, *[1] * 9])) < 0.9


def test_independent_features_are_unlike_where_the_biased_estimate_is_not():
    """At n = 32 images and 8 features each, centred Gram matrices (Kornblith et al. 2019, equation 3) show 0.2."""
    biased, ours = [], []
    for seed in range(200):
        x, y = features(32, 8, seed), features(32, 8, seed + 1000)
        k, m = (part @ part.T for part in (x - x.mean(axis=0), y - y.mean(axis=0)))
        biased.append((k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()))
        ours.append(cka(x, y))
    assert np.mean(biased) == pytest.approx(0.20, abs=0.01)
    assert abs(np.mean(ours)) < 0.01


def test_large_features_that_are_the_same_for_all_images_cost_no_digits():
    """Single precision holds 7 digits; without centring first, 1e4 beside 1 would leave none of the Gram matrix's."""
    x = features(24, 50, 0)
    large = torch.as_tensor(np.hstack([x, np.full((24, 2), 1e4)]), dtype=torch.float32)
    exact = full_cka(x, x[:, :5])
    assert cka(large, torch.as_tensor(x[:, :5])) == pytest.approx(exact, abs=1e-6)


def test_pieces_and_layout_change_nothing():
    maps = torch.randn(6, 40, 16, 16, generator=torch.Generator().manual_seed(0))  # more than one piece
    flat = maps.flatten(1).double()
    expected = (flat - flat.mean(dim=0)) @ (flat - flat.mean(dim=0)).T
    for laid in (maps, maps.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(gram(laid), expected, rtol=1e-5, atol=1e-2)


@given(images=st.integers(4, 3000), most=st.integers(4, 300))
def test_batches_are_even_and_none_is_too_small(images, most):
    sizes = batch_sizes(images, most)
    assert sum(sizes) == images
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= most
    assert len(sizes) == -(-images // most)


def heard(encoder, pictures):
    """Features of each layer by name, flattened, float64."""
    taps = find_taps(encoder, inspect(encoder).towers[0].root)
    found = {}
    with listen(
        encoder.image_tower, taps, lambda at, x: found.__setitem__(taps[at].layer, x.flatten(1).double().numpy())
    ):
        embedding = encoder.encode_pixels(torch.stack([encoder.preprocess(picture) for picture in pictures]))
    return found | {"embedding": embedding.double().numpy()}


def test_networks_in_one_batch_equal_the_definition(encoder_of, drawings):
    a, b = encoder_of("resnet"), encoder_of("clip-vit")
    found = compare_layers(a, b, drawings, batch_size=12, seed=0)
    ours, theirs = heard(a, drawings), heard(b, drawings)
    assert found.layers_a == tuple(ours)
    assert found.layers_b == tuple(theirs)
    expected = [[full_cka(x, y) for y in theirs.values()] for x in ours.values()]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.n_images == 12
    assert (found.model_a, found.model_b) == ("resnet", "clip-vit")


def test_minibatches_average_hsic_before_the_quotient(encoder_of, drawings):
    a, b, seed = encoder_of("vit"), encoder_of("clip-vit"), 3
    found = compare_layers(a, b, drawings, batch_size=6, seed=seed)
    mixed = [drawings[place] for place in np.random.default_rng(seed).permutation(12)]
    halves = [(heard(a, part), heard(b, part)) for part in (mixed[:6], mixed[6:])]

    def mean(one, layer_one, other, layer_other):
        return np.mean([full_hsic(half[one][layer_one], half[other][layer_other]) for half in halves])

    expected = [
        [mean(0, x, 1, y) / np.sqrt(mean(0, x, 0, x) * mean(1, y, 1, y)) for y in found.layers_b]
        for x in found.layers_a
    ]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_one_network_with_itself(encoder_of, drawings):
    encoder = encoder_of("vit")
    (found,) = compare_all([encoder], [(0, 0)], drawings, batch_size=6, seed=0)
    np.testing.assert_allclose(np.diag(found.values), 1, atol=1e-6)
    np.testing.assert_allclose(found.values, found.values.T, atol=1e-6)
    assert found.floor.shape == found.values.shape
    assert (found.floor >= 0).all()


def test_the_floor_falls_with_the_images(wrap):
    random = np.random.default_rng(0)
    pictures = list(random.integers(0, 256, (160, 16, 16, 3), dtype=np.uint8))
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    few, many = (
        compare_layers(wrap(network), wrap(network), pictures[:n], batch_size=16, seed=0).floor.mean()
        for n in (16, 160)
    )
    assert many < few / 2  # ten times the images: about a third
    assert 0 < many < 0.2


def test_a_layer_that_is_the_same_for_all_images_is_like_nothing(wrap):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    nn.init.zeros_(network[1].weight)
    pictures = list(np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8))
    encoder = wrap(network)
    found = compare_layers(encoder, encoder, pictures, batch_size=4, seed=0)
    assert found.layers_a == ("0", "1", "2", "embedding")
    assert np.isnan(found.values[1:]).all()
    assert np.isnan(found.floor[:, 1:]).all()
    assert found.values[0, 0] == pytest.approx(1, abs=1e-6)


def test_each_network_encodes_each_image_once_whatever_the_pairs(encoder_of, drawings, monkeypatch):
    encoders = [encoder_of("vit"), encoder_of("clip-vit"), encoder_of("resnet")]
    seen = []
    for encoder in encoders:
        encode = encoder.encode_pixels
        monkeypatch.setattr(encoder, "encode_pixels", lambda x, encode=encode: seen.append(len(x)) or encode(x))
    pairs = [(0, 0), (0, 1), (0, 2), (1, 2)]
    said = []
    found = compare_all(encoders, pairs, drawings, 5, 0, lambda done, total: said.append((done, total)))
    assert [(one.model_a, one.model_b) for one in found] == [(encoders[a].name, encoders[b].name) for a, b in pairs]
    assert sorted(seen) == [1] * 3 + [4] * 9  # one image each to find the layers, then three batches of four
    assert said == [(4, 12), (8, 12), (12, 12)]
    np.testing.assert_array_equal(found[1].values, compare_layers(*encoders[:2], drawings, 5, 0).values)


@pytest.mark.parametrize(("count", "batch_size"), [(3, 32), (12, 3), (0, 32)])
def test_too_few_images(encoder_of, drawings, count, batch_size):
    encoder = encoder_of("vit")
    with pytest.raises(UsageError, match="at least 4 images"):
        compare_layers(encoder, encoder, drawings[:count], batch_size, 0)


def test_no_batch_falls_below_four_images(encoder_of, drawings):
    encoder = encoder_of("vit")
    with pytest.raises(UsageError, match="at least 4 images"):
        compare_layers(encoder, encoder, drawings[:7], 5, 0)  # two batches, of four and of three
