"""The few large steps of a tower: stem or embedding, stages, pooling, head.

The one idea: blocks are what repeats. Neighbours of one kind that have layers inside, or one with a skip connection,
are a stage; what runs before the first stage is the stem, what runs after the last one pools until one vector is left,
and the first weights that read that vector begin the head. No family is asked for its name, so that peers' networks
fall into the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from visavis.inspection.anatomy.tree import Layer, Part, Shape

ATTENTION = ("attention", "attn")  # in kinds of modules and operations


@dataclass(frozen=True, kw_only=True)
class _Step:
    """Neighbouring layers; `blocks` where they repeat one."""

    layers: tuple[Layer, ...]
    blocks: tuple[Layer, ...] = ()


def parts_of(root: Layer) -> tuple[Part, ...]:
    """The steps of a tower in order; its top-level layers where nothing in it repeats, none where it never ran."""
    steps = list(_steps(_ran(root.children)))
    if root.output_shape is None or not steps:
        return ()
    stages = [number for number, step in enumerate(steps) if step.blocks]
    depths = depths_of(root)
    if not stages:
        return _plain_parts(steps, depths)
    first, last = stages[0], stages[-1]
    stem = tuple(layer for step in steps[:first] for layer in step.layers)
    parts = [_part("stem", _stem_title(stem), stem, depths)] if stem else []
    waiting: tuple[Layer, ...] = ()  # what runs between two stages belongs to the second
    for step in steps[first : last + 1]:
        waiting += step.layers
        if step.blocks:
            number = sum(part.role == "stage" for part in parts) + 1
            title = f"Stage {number}" if len(stages) > 1 else _counted(len(step.blocks), "block")
            parts.append(_part("stage", title, waiting, depths, step.blocks))
            waiting = ()
    rest = [layer for step in steps[last + 1 :] for layer in step.layers]
    return (*parts, *_ending(rest, steps[last].layers[-1], depths))


def depths_of(root: Layer) -> dict[str, float]:
    """Of each layer by name, the share of the tower's weighted layers that have run when it ends, 0 to 1.

    Weighted layers are convolutions and linear maps, in modules or not; a norm's scale, a table of embeddings and
    attention's products are none.
    """
    total = sum(is_weighted(layer) for layer in root.walk())
    depths: dict[str, float] = {}
    ran = 0

    def visit(layer: Layer) -> None:
        nonlocal ran
        ran += is_weighted(layer)
        for child in layer.children:
            visit(child)
        depths[layer.name] = ran / total if total else 0.0

    visit(root)
    return depths


def is_weighted(layer: Layer) -> bool:
    """Whether a layer multiplies by learned weights; only what has no layers inside counts."""
    return not layer.children and bool(layer.params and layer.macs)


def blocks_of(layer: Layer) -> tuple[Layer, ...]:
    """The blocks that a layer consists of, or none where it holds anything else."""
    steps = list(_steps(_ran(layer.children)))
    return steps[0].blocks if len(steps) == 1 else ()


def _ran(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.output_shape is not None]


def _steps(layers: Sequence[Layer]) -> Iterator[_Step]:
    """Neighbouring blocks of one kind as one step, layers that hold blocks opened, and every other layer by itself."""
    at = 0
    while at < len(layers):
        layer = layers[at]
        inside = list(_steps(_ran(layer.children)))
        if any(step.blocks for step in inside):
            yield from [_Step(layers=(layer,), blocks=inside[0].blocks)] if len(inside) == 1 else inside
            at += 1
            continue
        end = at + 1
        while end < len(layers) and _alike(layer, layers[end]):
            end += 1
        blocks = tuple(layers[at:end])
        alone = has_skip(layer) and not _is_vector(layer.output_shape)  # else it pools, skip or not
        yield _Step(layers=blocks, blocks=blocks if end - at > 1 or alone else ())
        at = end


def _alike(a: Layer, b: Layer) -> bool:
    """Whether two layers are blocks of one kind; of mere sequences those that hold the same kinds of layers."""
    if not (a.is_module and a.children and b.children) or a.kind != b.kind:
        return False
    return a.kind != "Sequential" or [child.kind for child in a.children] == [child.kind for child in b.children]


def has_skip(layer: Layer) -> bool:
    """Whether two ways meet in a layer's own sum."""
    return any(child.kind == "add" and len(child.sources) > 1 for child in layer.children)


def _ending(layers: Sequence[Layer], before: Layer, depths: dict[str, float]) -> list[Part]:
    """What runs after the stages: pooling, and from the first weights that read one vector the head."""
    shape = before.output_shape
    at = 0
    while at < len(layers) and not (_holds_weights(layers[at]) and _reads_vector(layers[at], shape)):
        shape = layers[at].output_shape
        at += 1
    pooling, head = tuple(layers[:at]), tuple(layers[at:])
    parts = [_part("pooling", _pooling_title(pooling), pooling, depths)] if pooling else []
    return [*parts, _part("head", _head_title(head), head, depths)] if head else parts


def _plain_parts(steps: Sequence[_Step], depths: dict[str, float]) -> tuple[Part, ...]:
    layers = [layer for step in steps for layer in step.layers]
    spread = [layer for layer in layers if not _is_vector(layer.output_shape)]
    bodies = [_part("stage", layer.name, (layer,), depths) for layer in spread]
    rest = [layer for layer in layers if layer not in spread]
    return (*bodies, *_ending(rest, (spread or layers)[-1], depths))


def _part(
    role: str, title: str, layers: tuple[Layer, ...], depths: dict[str, float], blocks: tuple[Layer, ...] = ()
) -> Part:
    macs = [layer.macs for layer in layers]
    return Part(
        role=role,  # type: ignore[arg-type]  # one of the four
        title=title,
        layers=tuple(layer.name for layer in layers),
        block=blocks[0].name if blocks else None,
        blocks=len(blocks),
        output_shape=_short(layers[-1].output_shape),
        params=sum(layer.params for layer in layers),
        macs=None if None in macs else sum(filter(None, macs)),
        depth=max(depths[layer.name] for layer in layers),
    )


def _stem_title(layers: Sequence[Layer]) -> str:
    inside = [leaf for layer in layers for leaf in layer.walk() if not leaf.children]
    if any(leaf.kind == "Embedding" for leaf in inside):
        return "Token embedding"
    windows = [leaf for leaf in inside if is_weighted(leaf) and leaf.stride]
    patches = len(windows) == 1 and 1 < (windows[0].stride or 1) == windows[0].receptive_field
    return "Patch embedding" if patches else "Stem"


def _pooling_title(layers: Sequence[Layer]) -> str:
    kinds = [leaf.kind.lower() for layer in layers for leaf in layer.walk()]
    if any(mark in kind for kind in kinds for mark in ATTENTION):
        return "Attention pooling"
    if any("avg" in kind or kind == "mean" for kind in kinds):
        return "Average pooling"
    if "argmax" in kinds:
        return "End token"
    return "Class token" if "getitem" in kinds else "Pooling"


def _head_title(layers: Sequence[Layer]) -> str:
    """A classifier has a bias for each class; CLIP's projections have none."""
    weights = [leaf for layer in layers for leaf in layer.walk() if is_weighted(leaf)]
    biased = any(leaf.params > (leaf.macs or 0) for leaf in weights)
    return "Classifier" if biased else "Projection"


def _holds_weights(layer: Layer) -> bool:
    return any(is_weighted(leaf) for leaf in layer.walk())


def _reads_vector(layer: Layer, before: Shape | None) -> bool:
    """Whether a layer is given one, or all of a map as one; a mere view in between is no layer."""
    return _is_vector(before) or (len(layer.input_shapes) > 0 and _is_vector(layer.input_shapes[0]))


def _is_vector(shape: Shape | None) -> bool:
    return shape is not None and len(_short(shape)) == 1


def _short(shape: Shape | None) -> Shape:
    """[channels, 1, 1] is a vector too."""
    short = shape or ()
    while len(short) > 1 and short[-1] == 1:
        short = short[:-1]
    return short


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
