"""The linear map at the end of an image tower of open_clip, and the tower without it.

The one idea: a shallow copy of the tower shares all weights and has an identity where the map was. Probes read what
comes before the map, as in Radford et al. 2021, section 3.2.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from visavis.engine.adapters.library import noise
from visavis.engine.parts import Projection

SAME = 1e-4  # of the largest number of a vector


@torch.inference_mode()
def projection_of(visual: Any, image_size: int) -> Projection | None:
    """A tower in two: None for a kind of tower that ends otherwise, or whose vectors the two parts do not give.

    Args:
        visual: open_clip's VisionTransformer, ModifiedResNet or TimmModel, settled.
        image_size: Pixels a side.
    """
    found = _last_map(visual)
    if found is None:
        return None
    bare, apply = found
    images = noise(image_size)
    features, vectors = bare(images), visual(images)
    if not all(isinstance(values, Tensor) and values.ndim == 2 for values in (features, vectors)):
        return None
    if not torch.allclose(apply(features), vectors, rtol=0, atol=SAME * float(vectors.abs().max())):
        return None
    return Projection(features=bare, apply=apply, feature_dim=features.shape[1])


def _last_map(visual: Any) -> tuple[nn.Module, Callable[[Tensor], Tensor]] | None:
    """The tower without its last linear map, and that map."""
    kind = type(visual).__name__
    if kind == "VisionTransformer" and isinstance(visual.proj, Tensor):
        bare = copy.copy(visual)
        bare._parameters = {**visual._parameters, "proj": None}
        return bare, partial(torch.matmul, other=visual.proj)
    if kind == "ModifiedResNet":  # its attention reads the map's weights and does not call it
        last = visual.attnpool.c_proj
        unchanged = nn.Linear(last.in_features, last.in_features)
        nn.init.eye_(unchanged.weight)
        nn.init.zeros_(unchanged.bias)
        return _with(visual, "attnpool.c_proj", unchanged.requires_grad_(False)), last
    if kind == "TimmModel":
        within = visual.trunk.default_cfg.get("classifier") if len(visual.head) == 0 else None
        place = f"trunk.{within}" if isinstance(within, str) else "head.proj"
        modules = dict(visual.named_modules())
        if isinstance(modules.get(place), nn.Linear):
            return _with(visual, place, nn.Identity()), modules[place]
    return None


def _with(network: nn.Module, place: str, module: nn.Module) -> nn.Module:
    """A shallow copy with another module at a place, such as "attnpool.c_proj"; all others are shared."""
    name, _, rest = place.partition(".")
    changed = copy.copy(network)
    own = network._modules[name]
    assert own is not None, "asked for a place that is there"
    changed._modules = {**network._modules, name: _with(own, rest, module) if rest else module}
    return changed
