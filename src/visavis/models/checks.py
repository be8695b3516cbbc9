"""What every configuration is checked for before a network is built from it."""

from __future__ import annotations

import dataclasses
from typing import Any

MOST = 2**20  # far above any network's, and low enough that no product of two or three counts overflows


def check_counts(config: Any) -> None:
    """Raises ValueError where a field that the configuration's dataclass declares `int` is none from 1 to 2**20.

    A field of type `int | None` may also be None; `num_classes` may be 0, a network without a head.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.type not in ("int", "int | None") or (value is None and field.type == "int | None"):
            continue
        least = 0 if field.name == "num_classes" else 1
        if not (type(value) is int and least <= value <= MOST):
            raise ValueError(f"{field.name} must be a whole number from {least} to {MOST}, not {value!r}.")


def check_eps(eps: Any) -> None:
    """Raises ValueError unless `eps` is a small positive number."""
    if not (isinstance(eps, float) and 0 < eps < 0.1):
        raise ValueError(f"eps must be a number above 0 and below 0.1, not {eps!r}.")


def check_stages(layers: Any) -> None:
    """Raises ValueError unless `layers` holds the positive block counts of a ResNet's four stages."""
    if len(layers) != 4 or not all(type(blocks) is int and 1 <= blocks <= MOST for blocks in layers):
        raise ValueError(f"layers must be four positive counts, one a stage, not {layers!r}.")


def check_transformer(width: int, heads: int, activation: str) -> None:
    """Raises ValueError where the heads cannot share the width, or the activation is neither of the two."""
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, not {width} with {heads} heads.")
    if activation not in ("gelu", "quickgelu"):
        raise ValueError(f"activation must be 'gelu' or 'quickgelu', not {activation!r}.")
