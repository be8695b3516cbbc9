"""How the famous numbers are counted: why ResNet-50 is 50 though it has 53 convolutions, and ViT-B has 12 blocks.

The one idea: a rule counts layers of the tree at hand, so that it holds for any configuration; no number is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from visavis.inspection.anatomy.parts import blocks_of, has_skip, is_weighted
from visavis.inspection.anatomy.rules_attention import holds_attention, one_query, overtaking, products
from visavis.inspection.anatomy.rules_sight import receptive_field
from visavis.inspection.anatomy.tree import INPUT, Layer, Part, Rule, Tower

HE = "He et al. 2016, Deep Residual Learning for Image Recognition, section 3.3 and table 1"
DOSOVITSKIY = "Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, table 1"
RADFORD = "Radford et al. 2021, Learning Transferable Visual Models, section 2.4"
VASWANI = "Vaswani et al. 2017, Attention Is All You Need, sections 3.2 and 3.3"


def rules_of(towers: Iterable[Tower]) -> tuple[Rule, ...]:
    """The rules that apply to a network's towers; none where no blocks are known."""
    return tuple(rule for tower in towers for rule in _rules_of(tower) if rule is not None)


def is_convolution(layer: Layer) -> bool:
    """Whether a layer slides learned weights over a map."""
    return is_weighted(layer) and "conv" in layer.kind.lower()


def _rules_of(tower: Tower) -> list[Rule | None]:
    stages = [part for part in tower.parts if part.role == "stage" and part.blocks]
    if not stages:
        return []
    blocks = [block for part in stages for block in _blocks_in(tower, part)]
    if any(holds_attention(block) for block in blocks):
        beside = [products(tower), overtaking(tower, blocks[0]) if tower.kind == "image" else None]
        return [_blocks(tower, stages, blocks), _matrices(tower, stages), *beside]
    shortcuts = [name for block in blocks for name in _projections(block)]
    beside = [_linear(tower), one_query(tower), receptive_field(tower)]
    return [_depth(tower, stages, shortcuts), _convolutions(tower, stages, shortcuts), *beside]


def _depth(tower: Tower, stages: Sequence[Part], shortcuts: Sequence[str]) -> Rule:
    """Weighted layers one behind the other: for ResNet-50, 1 + 3 x 16 + 1."""
    groups = _along(tower, stages, lambda layer: is_weighted(layer) and layer.name not in shortcuts)
    asked = any(part.role == "pooling" and holds_attention(tower.root.find(part.layers[0])) for part in tower.parts)
    return Rule(
        number=sum(map(len, groups)),
        says="Convolutions and linear layers without the projections of shortcuts, by which a ResNet is named"
        + (". A CLIP ResNet keeps the name of the one that it was made from, and has more." if asked else "."),
        sum=_sum(groups, stages),
        layers=tuple(layer.name for group in groups for layer in group),
        source=HE,
    )


def _convolutions(tower: Tower, stages: Sequence[Part], shortcuts: Sequence[str]) -> Rule:
    """All convolutions: for ResNet-50, 1 + 3 x 16 and four projections."""
    groups = _along(tower, stages, lambda layer: is_convolution(layer) and layer.name not in shortcuts)
    found = [layer.name for group in groups for layer in group]
    return Rule(
        number=len(found) + len(shortcuts),
        says=f"Convolutions, with the {len(shortcuts)} that project a shortcut where the shape changes.",
        sum=_sum(groups, stages) + (f" + {len(shortcuts)}" if shortcuts else ""),
        layers=(*found, *shortcuts),
        source=HE,
    )


def _linear(tower: Tower) -> Rule | None:
    """What is no convolution: one classifier, or the four maps of attention pooling."""
    found = [layer for layer in tower.root.walk() if is_weighted(layer) and not is_convolution(layer)]
    pools = {name for part in tower.parts if part.role == "pooling" for name in part.layers}
    asked = sum(layer.name.rpartition(".")[0] in pools for layer in found)
    if not found:
        return None
    return Rule(
        number=len(found),
        says=f"Linear maps, {asked} of them attention pooling's." if asked else "Linear maps: the classifier.",
        sum=str(len(found)),
        layers=tuple(layer.name for layer in found),
        source=RADFORD if asked else HE,
    )


def _blocks(tower: Tower, stages: Sequence[Part], blocks: Sequence[Layer]) -> Rule:
    return Rule(
        number=len(blocks),
        says=f"Blocks of the {tower.kind} tower, each an attention and a feed-forward network; a Transformer's depth "
        "is counted in them.",
        sum=" + ".join(str(part.blocks) for part in stages),
        layers=tuple(block.name for block in blocks),
        source=DOSOVITSKIY if tower.kind == "image" else RADFORD,
    )


def _matrices(tower: Tower, stages: Sequence[Part]) -> Rule:
    """Weight matrices: for ViT-B/16, 1 + 4 x 12 + 1, as many as ResNet-50 has."""
    groups = _along(tower, stages, is_weighted)
    fused = any(layer.output_shape and layer.output_shape[-1] == 3 * layer.input_shapes[0][-1] for layer in groups[1])
    return Rule(
        number=sum(map(len, groups)),
        says="Weight matrices"
        + (", those of query, key and value counted as the one that they are." if fused else "."),
        sum=_sum(groups, stages),
        layers=tuple(layer.name for group in groups for layer in group),
        source=VASWANI,
    )


def _along(tower: Tower, stages: Sequence[Part], counts: Callable[[Layer], bool]) -> list[list[Layer]]:
    """The layers that count before, within and behind the stages."""
    first, last = tower.parts.index(stages[0]), tower.parts.index(stages[-1])
    groups: list[list[Layer]] = [[], [], []]
    for number, part in enumerate(tower.parts):
        group = groups[0 if number < first else 1 if number <= last else 2]
        for name in part.layers:
            group += [layer for layer in tower.root.find(name).walk() if counts(layer)]
    return groups


def _sum(groups: Sequence[Sequence[Layer]], stages: Sequence[Part]) -> str:
    """Such as "1 + 3 x 16 + 1"; where blocks differ, "1 + 49 + 1"."""
    before, within, behind = (len(group) for group in groups)
    blocks = sum(part.blocks for part in stages)
    middle = f"{within // blocks} x {blocks}" if within % blocks == 0 else str(within)
    return " + ".join([str(before)] * bool(before) + [middle] + [str(behind)] * bool(behind))


def _blocks_in(tower: Tower, part: Part) -> list[Layer]:
    assert part.block is not None, "the part has blocks"
    kind = tower.root.find(part.block).kind
    found: list[Layer] = []
    for name in part.layers:
        layer = tower.root.find(name)
        found += [layer] if layer.kind == kind else blocks_of(layer)
    return found


def _projections(block: Layer) -> list[str]:
    """The convolutions of a block's shortcut: of all ways from its input to its sum, none but the longest."""
    joined = {name for child in block.children if has_skip(block) and child.kind == "add" for name in child.sources}
    ways = [child for child in block.children if child.sources == (INPUT,) and child.name in joined]
    found = sorted(([leaf.name for leaf in way.walk() if is_convolution(leaf)] for way in ways), key=len)
    through = len(ways) == len(joined)  # the longest is the residual itself, in a module of its own
    return [name for way in (found[:-1] if through else found) for name in way]
