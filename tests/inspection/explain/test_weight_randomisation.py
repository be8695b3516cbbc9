from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from visavis.inspection.explain.randomisation import STEPS, forgetting, randomised, rank_correlation, shuffled
from visavis.inspection.explain.trust import make_trial


def pictures(count: int = 12, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, side, side, 3), dtype=np.uint8)


def edges(given: np.ndarray, asked: np.ndarray) -> Tensor:
    """A method that never looks at the network: where the picture changes from one column to the next."""
    return torch.from_numpy(np.abs(np.diff(given.astype(np.float32).mean(axis=-1), axis=2, append=0)))


def test_an_edge_detector_fails() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    correlations = forgetting(network, edges, edges, pictures(), np.zeros(12, np.int64), seed=0)
    np.testing.assert_allclose(correlations, np.ones((12, 1 + STEPS)))
    trial = make_trial("randomisation", correlations[:, -1], seed=0)
    assert trial.passes is False
    assert trial.value == pytest.approx(1)


def test_a_map_of_what_the_network_computes_passes() -> None:
    """Each pixel's weight is drawn: in another order they say nothing of the first."""
    network = nn.Linear(16, 16, bias=False).requires_grad_(False)
    network.weight.copy_(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))

    def weights(given: np.ndarray, asked: np.ndarray) -> Tensor:
        return network.weight.clone().expand(len(given), 16, 16)

    correlations = forgetting(network, weights, weights, pictures(), np.zeros(12, np.int64), seed=0)
    assert correlations[0, 0] == pytest.approx(1)  # nothing is lost in the first column
    trial = make_trial("randomisation", correlations[:, -1], seed=0)
    assert trial.passes is True
    assert abs(trial.value) < 0.2


def test_the_same_weights_come_back_also_after_an_error(encoder_of: Callable[..., Any]) -> None:
    tower = encoder_of("vit").image_tower
    before = {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in tower.state_dict().items()}
    with pytest.raises(KeyError), randomised(tower, 1, seed=0):
        raise KeyError
    for name, tensor in tower.state_dict().items():
        assert tensor.data_ptr() == before[name][0]
        assert torch.equal(tensor, before[name][1])


def test_weights_are_lost_from_the_top(encoder_of: Callable[..., Any]) -> None:
    tower = encoder_of("resnet").image_tower
    before = {name: parameter.clone() for name, parameter in tower.named_parameters()}
    changed = []
    for share in (0, 0.5, 1):
        with randomised(tower, share, seed=0):
            changed.append({name for name, now in tower.named_parameters() if not torch.equal(now, before[name])})
            for name, now in tower.named_parameters():
                torch.testing.assert_close(now.flatten().sort().values, before[name].flatten().sort().values)
    assert changed[0] == set()
    assert changed[1] < changed[2]
    assert any(name.startswith("layer4") for name in changed[1])
    assert not any(name.startswith(("conv1", "layer1")) for name in changed[1])
    assert any(name.startswith("conv1") for name in changed[2])


def test_shuffling_is_seeded() -> None:
    values = torch.arange(100.0).view(10, 10)
    orders = [shuffled(values, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert orders[0].shape == (10, 10)


def test_rank_correlation_is_spearmans() -> None:
    random = np.random.default_rng(0)
    for _ in range(10):
        a, b = random.integers(0, 5, (2, 4, 4))  # many ties
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert rank_correlation(np.ones((3, 3)), a[:3, :3]) == 0
    assert rank_correlation(np.full((4, 4), np.nan), a) == 0
