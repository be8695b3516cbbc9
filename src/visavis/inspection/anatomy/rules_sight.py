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
    """The field of the last map, and why the paper's ResNet-50 sees 483 pixels where this one sees 427."""
    local = [layer for layer in tower.root.walk() if layer.stride is not None]
    if not local:
        return None
    here, gains = fields(tower)
    moved = (
        f" With each stage's stride on its first 1x1 convolution, as in the paper, it is {here + sum(gains)} = "
        f"{' + '.join(map(str, (here, *gains)))}: the 3x3 behind it then works on places twice as far apart. Here, as "
        "in torchvision and timm, the stride sits on the 3x3."
    )
    return Rule(
        number=here,
        says="Pixels of the image's side that one place of the last map sees, along the widest of all ways to it."
        + (moved if gains else ""),
        sum=_windows(local),
        layers=(max(local, key=lambda layer: layer.receptive_field or 0).name,),
        source=ARAUJO,
    )


def fields(tower: Tower) -> tuple[int, tuple[int, ...]]:
    """The last map's receptive field in pixels, and by how much each stride adds to it on the 1x1 before its window.

    A window of k places that are j pixels apart adds (k - 1) j. If the stride s that it has is taken by the convolution
    before it, its places are s j apart, and it adds (k - 1) j (s - 1) more; nothing behind it changes.
    """
    seen = [layer.receptive_field for layer in tower.root.walk() if layer.stride is not None]
    gains = tuple(gain for layer in tower.root.walk() if (gain := _gain(layer)))
    return max(filter(None, seen), default=1), gains


def _gain(block: Layer) -> int:
    """What a bottleneck would see more if its stride sat on its first convolution."""
    windows = [child for child in block.children if is_weighted(child) and child.receptive_field and child.stride]
    for narrow, wide in pairwise(windows):
        step = (wide.stride or 1) // (narrow.stride or 1)
        if narrow.settings.startswith("1x1") and "stride" not in narrow.settings and step > 1:
            return ((wide.receptive_field or 0) - (narrow.receptive_field or 0)) * (step - 1)
    return 0


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
