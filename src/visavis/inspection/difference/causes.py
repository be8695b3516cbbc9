"""Why two networks probably part where they do: from what agrees before, the weights there, and their settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from visavis.engine.encoder import Encoder
from visavis.inspection.difference.probes import Place

EQUAL = 1e-6  # of the largest weight: float16 and float32 copies differ by more


@dataclass(frozen=True, kw_only=True)
class Parting:
    """A place where two networks part.

    Attributes:
        a: One network.
        b: The other.
        tower: "image" or "text".
        layer: Where they part.
        agreed: What was compared before, in order, and agrees.
        places: Modules of both, by the layers' names.
        lonely: What one of the two has alone.
    """

    a: Encoder
    b: Encoder
    tower: Literal["image", "text"]
    layer: str
    agreed: tuple[str, ...]
    places: Mapping[str, Place]
    lonely: tuple[str, ...] = ()

    def modules(self, layer: str) -> tuple[nn.Module, nn.Module] | None:
        """The layer's module in both networks; None for what is no module, such as "pixels"."""
        place = self.places.get(layer)
        return (self.a.model.get_submodule(place.a), self.b.model.get_submodule(place.b)) if place else None


def explain(parting: Parting) -> str:
    """The probable cause, as a sentence."""
    if parting.layer in ("pixels", "tokens"):
        return _preprocessing(parting) if parting.layer == "pixels" else "The tokenizers give other tokens."
    modules = parting.modules(parting.layer)
    if modules is None:
        return _embedding(parting) if parting.layer.startswith("before ") else _end(parting)
    gap = weight_gap(*modules)
    if gap is not None and gap > EQUAL:
        return f"Its weights differ, by up to {gap:.1e} of the largest."
    settings = _settings(*modules)
    if settings:
        return f"Its weights are equal, but not its settings: {settings}."
    return _by_position(parting, equal=gap is not None)


def weight_gap(a: nn.Module, b: nn.Module) -> float | None:
    """The largest difference of weights and statistics as a share of the largest; None where their numbers differ."""
    ours, theirs = ([t for t in _floating(module) if t.numel()] for module in (a, b))
    if len(ours) != len(theirs) or any(one.numel() != other.numel() for one, other in zip(ours, theirs, strict=True)):
        return None
    gaps = [
        float((one.flatten() - other.flatten()).abs().max() / torch.maximum(one.abs().max(), other.abs().max()))
        for one, other in zip(ours, theirs, strict=True)
        if not torch.equal(one.flatten(), other.flatten())
    ]
    return max(gaps, default=0.0)


def _floating(module: nn.Module) -> list[torch.Tensor]:
    tensors = (*module.parameters(), *module.buffers())
    return [tensor.detach().float() for tensor in tensors if tensor.is_floating_point()]


def _preprocessing(parting: Parting) -> str:
    a, b = (dataclasses.asdict(encoder.preprocessing) for encoder in (parting.a, parting.b))
    differing = [f"{name} {a[name]} against {b[name]}" for name in a if a[name] != b[name]]
    if not differing:
        return "Preprocessing has equal settings and gives other pixels: one of the two does not follow its settings."
    return f"Preprocessing differs: {', '.join(differing)}."


def _embedding(parting: Parting) -> str:
    more = "" if parting.tower == "text" else " and the class token"
    return f"{_agreed(parting)} agrees: look at the position embedding{more}."


def _end(parting: Parting) -> str:
    """Features that differ although the last module that was compared agrees."""
    if parting.tower == "text":
        return (
            f"{_agreed(parting)} agrees: they are read at another token than the end, or the text projection differs."
        )
    return f"{_agreed(parting)} agrees: pooling (class token or mean) or the projection differs."


def _agreed(parting: Parting) -> str:
    """What was compared last before; within one block by the part's name alone."""
    last = parting.agreed[-1] if parting.agreed else "nothing"
    block = parting.layer.rpartition(".")[0]
    return last.removeprefix(f"{block}.") if block else last


def _settings(a: nn.Module, b: nn.Module) -> str:
    """What two modules of equal weights do differently, as their own attributes tell."""
    names = ("eps", "heads", "num_heads", "stride", "padding", "dilation", "groups", "approximate")
    both = {name: (getattr(a, name), getattr(b, name)) for name in names if hasattr(a, name) and hasattr(b, name)}
    return ", ".join(f"{name} {one} against {other}" for name, (one, other) in both.items() if one != other)


def _by_position(parting: Parting, equal: bool) -> str:
    """Where the module itself shows nothing: by what it is and what agrees right before it."""
    block, _, part = parting.layer.rpartition(".")
    agreed = f"{_agreed(parting)} before it agrees" + (" and the weights are equal" if equal else "")
    if parting.lonely:
        return f"{agreed}, with {', '.join(parting.lonely[:3])} without a partner in the other network."
    if part in ("activation", "c_proj") and block.endswith("mlp"):
        return f"{agreed}: the activation differs{_activations(parting, block)}."
    if part in ("out_proj", "attn"):
        return f"{_agreed(parting)} before it agrees: what differs is {_attention(parting)}."
    if part in ("ln_post", "ln_final"):
        where = "class token or mean" if parting.tower == "image" else "the end token"
        return f"{agreed}: it is read at another place ({where})."
    return f"{agreed}: what lies between the two differs."


def _activations(parting: Parting, mlp: str) -> str:
    """The classes of what has no weights in both feed-forward networks."""
    place = parting.places.get(f"{mlp}.c_proj")
    if place is None:
        return ""
    found = []
    for encoder, name in ((parting.a, place.a), (parting.b, place.b)):
        parent = encoder.model.get_submodule(name.rpartition(".")[0])
        kinds = [type(part).__name__ for part in parent.children() if not any(True for _ in part.parameters())]
        found.append(next((kind for kind in kinds if kind not in ("Dropout", "Identity")), "?"))
    return "" if "?" in found else f", {found[0]} against {found[1]}"


def _attention(parting: Parting) -> str:
    """What differs in two attentions whose last projections are equal, as far as their modules tell."""
    place = parting.places[parting.layer]
    around = [
        encoder.model.get_submodule(name.rpartition(".")[0])
        for encoder, name in ((parting.a, place.a), (parting.b, place.b))
    ]
    gap = weight_gap(around[0], around[1])
    if gap is not None and gap > EQUAL:
        return f"the weights of queries, keys and values, by up to {gap:.1e} of the largest"
    counts = [getattr(module, "heads", None) or getattr(module, "num_heads", None) for module in around]
    if None not in counts and counts[0] != counts[1]:
        return f"{counts[0]} heads against {counts[1]}"
    return "queries, keys and values, or the number of heads"
