"""What the networks' records say in a sentence or two: the opening, and the titles of the charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from visavis.report import words
from visavis.report.anatomy.reach import attends, has_places, image_tower, theoretical

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.anatomy.tree import Part, Tower


def lead(anatomies: Sequence[Anatomy]) -> list[str]:
    """For each kind of network, how its image tower comes to see the whole image; models that do alike share a line."""
    local, total, other = [], [], []
    for anatomy in anatomies:
        tower = image_tower(anatomy)
        stages = [part for part in tower.parts if part.role == "stage"] if tower else []
        name = words.visible(anatomy.name)
        if tower is None or not stages:
            other.append(name)
        elif len(stages[0].output_shape) == 2 and any(map(attends, tower.root.walk())):
            blocks = words.plural(sum(part.blocks for part in stages), "block")
            total.append(f"{stages[0].output_shape[0]:,} tokens and {blocks} in {name}")
        else:
            local.append(_widening(name, tower, stages))
    said = []
    if local:
        said.append(f"A convolution sees a small window, and the windows widen with depth: {'; '.join(local)}.")
    if total:
        said.append(
            f"In a Vision Transformer every token sees every other from the first block on: {'; '.join(total)}."
        )
    if other:
        said.append(f"No large steps are known of {words.listed(other)}; the layers are listed as they run.")
    return said


def view_title(anatomies: Sequence[Anatomy]) -> str:
    """At which depth arithmetic lets a place see as far as the image is wide."""
    said = []
    for anatomy in anatomies:
        tower = image_tower(anatomy)
        if tower is None or len(tower.input_shape) != 3:
            continue
        steps = theoretical(tower)
        depth = next((step.depth for step in steps if step.pixels >= tower.input_shape[-1]), None)
        if depth is not None:
            said.append(f"{words.visible(anatomy.name)} after {100 * depth:.0f}%")
    return f"The whole image in view: {words.listed(said)} of the layers" if said else "How far each network sees"


def growth_title(anatomies: Sequence[Anatomy]) -> str:
    """How many times the cost grows between the smallest and the largest size at which all were counted."""
    grown = {a.name: {g.image_size: g.macs for g in a.growth if g.macs} for a in anatomies if len(a.growth) > 1}
    sizes = sorted(set.intersection(*map(set, grown.values()))) if grown else []
    if len(sizes) < 2:
        return "What a larger image costs"
    first, *others = [(name, macs[sizes[-1]] / macs[sizes[0]]) for name, macs in grown.items()]
    said = [f"{words.visible(first[0])} {first[1]:,.0f} times as much"]
    said += [f"{words.visible(name)} {factor:,.0f}" for name, factor in others]
    pixels = (sizes[-1] / sizes[0]) ** 2
    return f"From {sizes[0]:,} to {sizes[-1]:,} pixels a side, {pixels:,.0f} times the pixels cost {words.listed(said)}"


def _widening(name: str, tower: Tower, stages: Sequence[Part]) -> str:
    """What places of the first and of the last stage see, or where that is unknown how many they are."""
    first, last = (_field(tower, part) for part in (stages[0], stages[-1]))
    if first and last:
        return f"{name} from {first} to {last} pixels"
    first, last = (part.output_shape[-1] for part in (stages[0], stages[-1]))
    return f"{name} from {first}×{first} places to {last}×{last}"


def _field(tower: Tower, part: Part) -> int:
    """The widest receptive field within a part, or 0 where none is known."""
    inside = (layer for name in part.layers for layer in tower.root.find(name).walk())
    return max((layer.receptive_field or 0 for layer in inside if has_places(layer)), default=0)
