"""What the networks' records say in a sentence or two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from visavis.report import words
from visavis.report.anatomy.reach import has_places, image_tower
from visavis.report.drawing.graph import look_of

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy


def lead(anatomies: Sequence[Anatomy]) -> list[str]:
    """For each kind of network, how its image tower comes to see the whole image; models that do alike share a line."""
    local, total, other = [], [], []
    for anatomy in anatomies:
        tower = image_tower(anatomy)
        stages = [part for part in tower.parts if part.role == "stage"] if tower else []
        if tower is None or not stages:
            other.append(anatomy.name)
        elif len(stages[0].output_shape) == 2 and any(look_of(one.kind) == "attention" for one in tower.root.walk()):
            tokens, blocks = stages[0].output_shape[0], sum(part.blocks for part in stages)
            total.append((anatomy.name, tokens, blocks))
        else:
            fields = [one.receptive_field for one in tower.root.walk() if one.receptive_field and has_places(one)]
            local.append((anatomy.name, stages, max(fields, default=0)))
    return [*_local(local), *_total(total), *_other(other)]


def _local(found: list) -> list[str]:
    if not found:
        return []
    said = "; ".join(
        f"{words.visible(name)} from {stages[0].output_shape[-1]}×{stages[0].output_shape[-1]} places to "
        f"{stages[-1].output_shape[-1]}×{stages[-1].output_shape[-1]}"
        + (f", the last with a view of {field} pixels" if field else "")
        for name, stages, field in found
    )
    return [f"Convolutions look through small windows, and what they see widens with depth: {said}."]


def _total(found: list) -> list[str]:
    if not found:
        return []
    said = "; ".join(f"{words.visible(name)} has {tokens} of them in {blocks} blocks" for name, tokens, blocks in found)
    return [f"In a Vision Transformer every token can look at every other from the first block on: {said}."]


def _other(names: list[str]) -> list[str]:
    return [f"No large steps are known of {words.listed(names)}; the layers are listed as they run."] if names else []
