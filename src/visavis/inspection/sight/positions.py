"""How alike the position embeddings of patches are: Dosovitskiy et al. 2021, section 4.5 and figure 7 (centre).

The one idea: nobody tells a Vision Transformer that patches lie in a plane; if it has learnt so, near ones are alike.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from visavis.inspection.sight.taps import split_tokens

LEAST_PATCHES = 4
NOT_EMBEDDINGS = ("bias", "relative", "rope", "rotary")  # in names of what is added to attention, not to tokens


def find_positions(tower: nn.Module) -> tuple[str, Tensor] | None:
    """The name and the parameter of the learnt embedding of places, [places, width] or [1, places, width].

    None where a network has none, as ResNets, or adds its positions elsewhere, as with relative ones.
    """
    for name, parameter in tower.named_parameters():
        last = name.lower().split(".")[-2:]
        said = any("pos" in word for word in last) and not any(mark in name.lower() for mark in NOT_EMBEDDINGS)
        if said and parameter.squeeze(0).ndim == 2 and parameter.shape[-2] >= LEAST_PATCHES:
            return name, parameter
    return None


def position_similarity(tower: nn.Module) -> np.ndarray | None:
    """Cosine between the position embeddings of any two patches, float32 [patches, patches] in reading order.

    Class token and registers, which come first, are left out. None where there is no such embedding.
    """
    found = find_positions(tower)
    if found is None:
        return None
    table = found[1].detach().double().squeeze(0).numpy()
    prefix, _ = split_tokens(len(table))
    patches = table[prefix:]
    unit = patches / np.maximum(np.linalg.norm(patches, axis=1, keepdims=True), np.finfo(float).tiny)
    return (unit @ unit.T).astype(np.float32)
