"""Effective receptive fields against ones that are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from visavis.inspection.sight.effective_field import SHARE, effective_fields, side_of
from visavis.inspection.sight.taps import Tap


def convolution(kernel, channels=3):
    """One output channel whose weights are the kernel's, for each colour."""
    size = len(kernel)
    layer = nn.Conv2d(channels, 1, size, padding=size // 2, bias=False)
    layer.weight = nn.Parameter(torch.as_tensor(kernel, dtype=torch.float32).expand(1, channels, size, size).clone())
    return layer


def fields_of(encoder, *layers, images):
    return effective_fields(encoder, [Tap(layer=name, depth=1, module=name) for name in layers], images)


def test_a_single_convolution_sees_its_own_weights(wrap, pixels):
    kernel = np.full((5, 5), 0.01)
    kernel[1:4, 1:4] = [[0.2, 0.5, 0.2], [0.5, -1.0, 0.5], [0.2, 0.5, 0.2]]
    (field,) = fields_of(wrap(nn.Sequential(convolution(kernel))), "0", images=pixels(3, 16))
    middle = field[8 - 2 : 8 + 3, 8 - 2 : 8 + 3]  # place 16 // 2 = 8, and two pixels to each side
    np.testing.assert_allclose(middle / field.max(), np.abs(kernel), rtol=1e-6)
    assert field.sum() == pytest.approx(float(middle.sum()))
    assert side_of(field) == 3  # 0.01 lies below 4.55% of 1, 0.2 above


@pytest.mark.parametrize("layers", [1, 2, 5, 12])
def test_stacked_convolutions_see_a_bell_that_grows_with_the_root_of_depth(wrap, pixels, layers):
    """Luo et al. 2016, section 2.2: with equal weights the field is the kernel folded with itself, here by NumPy."""
    network = nn.Sequential(
        convolution(np.ones((3, 3)) / 9), *(convolution(np.ones((3, 3)) / 9, 1) for _ in range(layers - 1))
    )
    (field,) = fields_of(wrap(network, image_size=33), str(layers - 1), images=pixels(1, 33))
    row = np.ones(1)
    for _ in range(layers):
        row = np.convolve(row, np.ones(3) / 3)
    expected = np.zeros((33, 33))
    expected[16 - layers : 17 + layers, 16 - layers : 17 + layers] = np.outer(row, row)
    np.testing.assert_allclose(field / field.max(), expected / expected.max(), atol=1e-6)
    assert side_of(field) == pytest.approx(math.sqrt((expected >= SHARE * expected.max()).sum()))
    assert side_of(field) <= 2 * layers + 1  # what arithmetic allows


def test_channels_are_added_as_squares(wrap, pixels):
    """Random combinations of channels give the root mean square over channels in the mean over images."""
    layer = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    layer.weight = nn.Parameter(torch.randn(16, 3, 3, 3, generator=torch.Generator().manual_seed(1)))
    (field,) = fields_of(wrap(nn.Sequential(layer), image_size=4), "0", images=pixels(2000, 4))
    expected = layer.weight.detach().square().sum(dim=(0, 1)).sqrt()  # [3, 3]
    np.testing.assert_allclose(field[1:4, 1:4], expected, rtol=0.04)


def test_a_patch_embedding_sees_its_patch(encoder_of, pixels):
    encoder = encoder_of("vit")
    before = Tap(layer="add", depth=0.1, module="transformer.resblocks.0", before=True)
    first, last = (Tap(layer="", depth=1, module=f"transformer.resblocks.{number}") for number in (0, 2))
    fields = effective_fields(encoder, [before, first, last], pixels(4, 32))
    patch = torch.zeros(32, 32)
    patch[16:24, 16:24] = 1  # of 4 x 4 patches the one in row 2 and column 2
    assert ((fields[0] > 0) == (patch > 0)).all()
    assert side_of(fields[0]) <= 8
    assert (fields[1] > 0).all()  # from the first attention on, something of every pixel
    assert side_of(fields[0]) < side_of(fields[2]) <= 32


def test_gradients_that_stop_and_layers_that_are_dead(wrap, pixels):
    class Stops(nn.Module):
        def forward(self, x):
            return x.detach()

    network = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 2, 1), Stops(), nn.Conv2d(2, 2, 1))
    nn.init.zeros_(network[1].weight)
    fields = fields_of(wrap(network), "0", "1", "3", images=pixels(2, 16))
    assert side_of(fields[0]) == pytest.approx(3, abs=1)
    assert side_of(fields[1]) == 0
    assert math.isnan(side_of(fields[2]))


def test_the_network_is_as_before(encoder_of, pixels):
    encoder = encoder_of("resnet")
    state = {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    said = []
    tap = Tap(layer="layer2.0", depth=0.5, module="layer2.0")
    effective_fields(encoder, [tap], pixels(2, 64), lambda done, total: said.append((done, total)))
    assert said == [(1, 2), (2, 2)]
    assert all(torch.equal(tensor, state[name]) for name, tensor in encoder.model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())
