from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visavis.inspection.explain.grad_cam import grad_cam, last_map


class Pooled(nn.Module):
    """A convolution, the mean over places, a linear score: the network of class activation maps."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.conv = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.weight = nn.Parameter(torch.randn(channels, generator=generator))
        self.requires_grad_(False)
        self.conv.weight.normal_(generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).relu().mean(dim=(2, 3)) @ self.weight


def images(batch: int = 2, side: int = 9) -> Tensor:
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_after_global_pooling_it_is_the_class_activation_map() -> None:
    """Zhou et al. 2016: the score is the mean over places of sum_k w_k A_k, so each place's share is its summand.

    Selvaraju et al. 2017, section 3.1: Grad-CAM's channel weights are then w_k over the number of places.
    """
    network = Pooled()
    network.relu = nn.ReLU()
    network.forward = lambda x: network.relu(network.conv(x)).mean(dim=(2, 3)) @ network.weight  # type: ignore[method-assign]
    activations = network.conv(images()).relu()  # [batch, channels, 9, 9]
    expected = (torch.einsum("k,bkyx->byx", network.weight, activations) / 81).clamp(min=0)
    found = grad_cam(network, network.relu, images())
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert (expected > 0).any()
    assert (expected == 0).any()


@pytest.mark.parametrize("kind", ["resnet", "clip-resnet"])
def test_channel_weights_are_slopes_of_the_score(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any], kind: str
) -> None:
    """The mean gradient of a channel is the slope of the score as the whole channel rises, over its places.

    Found by raising it in float64, with what comes behind the map written down: for CLIP, attention pooling, whose
    query is the mean over places and rises too.
    """
    encoder = encoder_of(kind)
    pixels = pixels_for(encoder).double()
    tower = encoder.image_tower.double()
    direction = torch.randn(encoder.embed_dim, generator=torch.Generator().manual_seed(2)).double()

    def score(vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) @ direction

    with torch.no_grad():
        activations = activations_of(tower, "layer4", lambda: encoder.trace_pixels(pixels))

        def behind(maps: Tensor) -> Tensor:
            return score(tower.attnpool(maps) if kind == "clip-resnet" else maps.mean(dim=(2, 3)))

        torch.testing.assert_close(behind(activations), score(encoder.trace_pixels(pixels)), atol=1e-9, rtol=0)
        slopes, step = [], 1e-6 * float(activations.abs().max())
        for channel in range(activations.shape[1]):
            raised = torch.zeros_like(activations)
            raised[:, channel] = step
            slopes.append((behind(activations + raised) - behind(activations - raised)) / (2 * step))
        weights = torch.stack(slopes, dim=1) / activations[0, 0].numel()  # [batch, channels]
        expected = torch.einsum("bk,bkyx->byx", weights, activations).clamp(min=0)
    found = grad_cam(lambda given: score(encoder.trace_pixels(given)), tower.layer4, pixels)
    assert expected.max() > 0
    torch.testing.assert_close(found, expected, atol=1e-6 * float(expected.max()), rtol=0)


def activations_of(tower: nn.Module, name: str, run: Callable[[], Any]) -> Tensor:
    kept: list[Tensor] = []
    handle = tower.get_submodule(name).register_forward_hook(lambda module, given, output: kept.append(output.clone()))
    run()
    handle.remove()
    return kept[0]


def test_what_moves_in_the_image_moves_in_the_map() -> None:
    network, blank = Pooled(), torch.zeros(1, 3, 16, 16)
    network.weight.abs_()
    first, second = blank.clone(), blank.clone()
    first[..., 2:6, 2:6] = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(3))
    second[..., 8:12, 7:11] = first[..., 2:6, 2:6]  # 6 rows down, 5 columns to the right
    maps = [grad_cam(network, network.conv, given) for given in (first, second)]
    torch.testing.assert_close(maps[1][:, 7:13, 6:12], maps[0][:, 1:7, 1:7])


def test_images_of_a_batch_have_the_maps_they_have_alone(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any]
) -> None:
    encoder = encoder_of("clip-resnet")
    tower = encoder.image_tower.double()  # in float32 a ReLU at 0 may open in one batch and not in another
    pixels = pixels_for(encoder, batch=3).double()

    def run(given: Tensor) -> Tensor:
        return encoder.trace_pixels(given).sum(dim=-1)

    together = grad_cam(run, tower.layer2, pixels)
    alone = torch.cat([grad_cam(run, tower.layer2, image[None]) for image in pixels])
    torch.testing.assert_close(together, alone, atol=1e-9 * float(alone.max()), rtol=0)
    assert alone.min() == 0


def test_the_layer_is_the_last_with_enough_places(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any]
) -> None:
    for kind in ("resnet", "clip-resnet"):  # stages of 16, 8, 4 and 2 places a side
        encoder = encoder_of(kind)
        pixels, tower = pixels_for(encoder, batch=1), encoder.image_tower
        for least, stage in ((2, "layer4"), (3, "layer3"), (7, "layer2"), (9, "layer1")):
            assert last_map(encoder.trace_pixels, tower, pixels, least) is tower.get_submodule(stage)
        assert last_map(encoder.trace_pixels, tower, pixels, 65) is None
        assert not any(module._forward_hooks for module in tower.modules())


def test_maps_with_their_channels_last_are_none() -> None:
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.permute(0, 2, 3, 1)  # [batch, 8, 8, 3]

    network = nn.Sequential(nn.Conv2d(3, 5, 1), Turned())
    assert last_map(network, network, torch.zeros(1, 3, 8, 8), 7) is None
    assert last_map(network[0], network, torch.zeros(1, 3, 8, 8), 7) is network[0]
