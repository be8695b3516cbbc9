from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from visavis.errors import UsageError
from visavis.inspection.explain.maps import choose_mapper, mappers_of, patches, spread_over

FITTING = {
    "resnet": ["grad_cam", "occlusion"],
    "clip-resnet": ["grad_cam", "occlusion"],  # whose attention pooling has one query, no tokens
    "vit": ["relevance", "occlusion", "rollout"],
    "clip-vit": ["relevance", "occlusion", "rollout"],
}


@pytest.mark.parametrize("kind", FITTING)
def test_methods_by_how_a_network_is_built(
    encoder_of: Callable[..., Any], pixels_for: Callable[..., Any], kind: str
) -> None:
    encoder = encoder_of(kind)
    mappers = mappers_of(encoder)
    assert list(mappers) == FITTING[kind]
    pixels = pixels_for(encoder, batch=3)
    grids = {"grad_cam": (4, 4), "relevance": (4, 4), "rollout": (4, 4), "occlusion": (encoder.image_size,) * 2}
    for method, mapper in mappers.items():
        maps = mapper(pixels, lambda vectors: vectors[:, 0])
        assert maps.shape == (3, *grids[method])
        assert bool(maps.isfinite().all())
        assert float(maps.std()) > 0
        assert (method == "occlusion") or float(maps.min()) >= 0
        if method == "rollout":
            assert float(maps.sum(dim=(1, 2)).max()) < 1  # the rest stays on the class token


@pytest.mark.parametrize(("kind", "method"), [("resnet", "rollout"), ("clip-resnet", "relevance"), ("vit", "grad_cam")])
def test_a_method_that_does_not_fit(encoder_of: Callable[..., Any], kind: str, method: str) -> None:
    with pytest.raises(UsageError, match=rf"'{method}' does not fit 'small {kind}'.* it needs .*") as caught:
        choose_mapper(encoder_of(kind), method)
    assert str(caught.value).endswith(f"Use {' or '.join(FITTING[kind])}.")


def test_a_method_that_does_not_exist(encoder_of: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"no method 'gradcam'\. Did you mean grad_cam\?"):
        choose_mapper(encoder_of("vit"), "gradcam")


def test_a_vit_that_reads_the_mean_of_its_patches(encoder_of: Callable[..., Any]) -> None:
    """The row of the class token would explain what nobody reads: such networks have occlusion alone."""
    encoder = encoder_of("vit")
    tower = encoder.image_tower
    tower.ln_post.register_forward_pre_hook(lambda module, given: (kept[-1][:, 1:].mean(dim=1),))
    kept: list[Tensor] = []
    tower.transformer.register_forward_hook(lambda module, given, output: kept.append(output))
    assert list(mappers_of(encoder)) == ["occlusion"]


@pytest.mark.parametrize("extra", [1, 3])
def test_more_tokens_than_one_class_token_and_a_square(encoder_of: Callable[..., Any], extra: int) -> None:
    encoder = encoder_of("vit")
    encoder.image_tower.transformer.register_forward_pre_hook(
        lambda module, given: (torch.cat([given[0], given[0][:, :extra]], dim=1),)
    )
    assert list(mappers_of(encoder)) == ["occlusion"]


def test_networks_of_any_kind_have_occlusion(encoder_of: Callable[..., Any], pixels_for: Callable[..., Any]) -> None:
    encoder = encoder_of("resnet")
    encoder.family = "other-other"
    encoder.image_tower = nn.Identity()  # nothing is found in it
    name, mapper = choose_mapper(encoder, None)
    assert name == "occlusion"
    assert mapper(pixels_for(encoder), lambda vectors: vectors.sum(dim=1)).shape == (2, 64, 64)


def test_patches_lie_as_in_the_image() -> None:
    tokens = torch.arange(10.0)[None]  # the class token is 0
    torch.testing.assert_close(patches(tokens)[0], torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]))


def test_spread_keeps_the_mean_and_the_place() -> None:
    grid = torch.zeros(1, 4, 4)
    grid[0, 1, 2] = 1
    spread = spread_over(grid, 32)
    assert spread.shape == (1, 32, 32)
    assert float(spread.mean()) == pytest.approx(1 / 16)
    rows, columns = (spread[0].sum(dim=dim) for dim in (1, 0))
    assert float(rows @ torch.arange(32.0) / rows.sum()) == pytest.approx(11.5)  # middle of the second of four
    assert float(columns @ torch.arange(32.0) / columns.sum()) == pytest.approx(19.5)
