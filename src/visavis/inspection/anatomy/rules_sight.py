"""How large the last map's receptive field is, and what moving a stride does to it: 427 and 483 pixels for ResNet-50.

Source: Araujo et al. 2019, Computing Receptive Fields of Convolutional Neural Networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from visavis.inspection.anatomy.parts import is_weighted
from visavis.inspection.anatomy.tree import Layer, Rule, Tower

ARAUJO = "Araujo et al. 2019, Computing Receptive Fields of Convolutional Neural Networks"


def receptive_field(tower: Tower) -> Rule | None:
    """The field of the last map, and why the paper's ResNet-50 sees 483 pixels where torchvision's sees 427."""
    local = [layer for layer in tower.root.walk() if layer.stride is not None]
    stages = [part for part in tower.parts if part.role == "stage"]
    if not stages or tower.root.find(stages[-1].layers[-1]).stride is None:
        return None  # something sees all before the last map, such as a gate that weighs the channels
    last = max(local, key=lambda layer: layer.receptive_field or 0)
    return Rule(
        number=last.receptive_field or 0,
        says="Pixels of the image's side that one place of the last map sees, along the widest of all ways to it."
        + _elsewhere(last.receptive_field or 0, changes(local)),
        sum=_windows(local),
        layers=(last.name,),
        source=ARAUJO,
    )


def changes(layers: Sequence[Layer]) -> tuple[int, ...]:
    """By how much each stage's stride would change the last map's field on the other of two neighbouring convolutions.

    A window of k places that are j pixels apart adds (k - 1) j. If the stride s that it has is taken by the 1x1 before
    it, its places are s j apart, and it adds (k - 1) j (s - 1) more; nothing behind it changes. The other way round it
    is as much less.

    Args:
        layers: Those that have a stride, parents before children, in order of execution.
    """
    found, before = [], 1
    for layer in layers:
        found.append(_change(layer, before))
        before = (layer.stride or 1) if not layer.children else before
    return tuple(filter(None, found))


def _change(block: Layer, before: int) -> int:
    """Of a block that reads places `before` pixels apart."""
    windows = [child for child in block.children if is_weighted(child) and child.receptive_field and child.stride]
    for narrow, wide in pairwise(windows):
        first, second = (narrow.stride or 1) // before, (wide.stride or 1) // (narrow.stride or 1)
        reach = (wide.receptive_field or 0) - (narrow.receptive_field or 0)
        if narrow.settings.startswith("1x1") and reach > 0:
            if first == 1 and second > 1:
                return reach * (second - 1)
            if first > 1 and second == 1:
                return reach // first - reach
    return 0


def _elsewhere(here: int, moved: Sequence[int]) -> str:
    """What the field would be with the strides where the paper has them, or where today's libraries do."""
    if not moved:
        return ""
    other = f"it is {here + sum(moved)} = {here}" + "".join(f" {'+' if by > 0 else '-'} {abs(by)}" for by in moved)
    if moved[0] > 0:
        return (
            f" With each stage's stride on its first 1×1 convolution, as in the paper, {other}: the 3×3 behind it then "
            "works on places twice as far apart. Here, as in torchvision and timm, the stride sits on the 3×3."
        )
    return (
        f" With each stage's stride on the 3×3 convolution, as in torchvision and timm, {other}: it then works on "
        "places half as far apart. Here, as in the paper, the stride sits on the 1×1 before it."
    )


def _windows(layers: Sequence[Layer]) -> str:
    """1 and what windows add at each stride along the widest way: "1 + 6 x 1 + 2 x 2 + ..."."""
    steps: Counter[int] = Counter()
    field = stride = 1
    for layer in layers:
        seen = layer.receptive_field or 0
        if not layer.children and seen >= field:
            steps[stride] += (seen - field) // stride
            field, stride = seen, layer.stride or stride
    return " + ".join(["1", *(f"{count} x {step}" for step, count in sorted(steps.items()) if count)])
