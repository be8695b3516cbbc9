"""Which parts of a network can be taken away, and how many of them within a budget.

The one idea: as many images are taken as a budget of multiply-accumulates allows, so that a small network is measured
closely and a large one in bearable time; the intervals say how closely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from visavis.engine.encoder import Encoder
from visavis.inspection.anatomy.parts import parts_of
from visavis.inspection.anatomy.tree import Layer
from visavis.inspection.sight.ablations import (
    Encode,
    shuffled_positions,
    skips_of,
    without_blocks,
    without_class_token,
    without_head,
    without_skip,
)
from visavis.inspection.sight.positions import find_positions
from visavis.inspection.sight.spread import spread_places
from visavis.inspection.sight.taps import Tap, blocks_in, split_tokens

BUDGET = 2e13  # multiply-accumulates, as for encoding a thousand images with ViT-B/16; some minutes on two cores
UNKNOWN_MACS = 5e9  # of one image, where the cost is not known
MOST_IMAGES, LEAST_IMAGES = 256, 8
SEED = 0  # of the order into which positions are brought


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One part to be taken away: its name, and what makes an encoder without it."""

    part: str
    make: Callable[[], Encode]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network whose parts are taken away.

    Attributes:
        encoder: The network.
        root: Its image tower taken apart.
        taps: Behind its stem and blocks.
        heads: Names of its attention layers, and how many heads each has.
    """

    encoder: Encoder
    root: Layer
    taps: Sequence[Tap]
    heads: Sequence[tuple[str, int]]


def removals_of(subject: Subject) -> list[list[Removal]]:
    """All parts that can be taken away, by kind: those of which there is one, stages, skip connections, heads."""
    encoder = subject.encoder
    blocks = [layer for part in parts_of(subject.root) for layer in blocks_in(subject.root, part)]
    skips = [block for block in blocks if any(skip is not None for skip in skips_of(block))]
    return [
        _single_parts(subject),
        _stages(subject),
        [_removal(f"skip connection of {block.name}", without_skip, encoder, block) for block in skips],
        [
            _removal(f"head {head + 1} of {layer}", without_head, encoder, layer, head)
            for layer, count in subject.heads
            for head in range(count)
        ],
    ]


def _single_parts(subject: Subject) -> list[Removal]:
    """Positions and class token, where there are any."""
    encoder, found = subject.encoder, []
    if find_positions(encoder.image_tower) is not None:
        found.append(_removal("positions, by shuffling the patches", shuffled_positions, encoder, SEED))
    last = subject.taps[-1] if subject.taps else None
    shape = subject.root.find(last.layer).output_shape if last and subject.root.output_shape else None
    if shape and len(shape) == 2 and split_tokens(shape[0])[0]:
        found.append(_removal("class token, by the mean of the patches", without_class_token, encoder, last))
    return found


def _stages(subject: Subject) -> list[Removal]:
    """Of several stages each without its blocks that keep the shape; of one stage each of these blocks."""
    encoder, stages = subject.encoder, []
    for part in parts_of(subject.root):
        kept = [block.name for block in blocks_in(subject.root, part) if _keeps_shape(block)]
        if kept:
            stages.append((f"{part.title}, {len(kept)} of its {part.blocks} blocks", kept))
    if len(stages) == 1:
        return [_removal(f"block {name}", without_blocks, encoder, [name]) for name in stages[0][1]]
    return [_removal(title, without_blocks, encoder, kept) for title, kept in stages]


def _keeps_shape(block: Layer) -> bool:
    return block.input_shapes[:1] == (block.output_shape,)


def _removal(part: str, make: Callable[..., Encode], *args: object) -> Removal:
    return Removal(part=part, make=partial(make, *args))


def affordable(kinds: Sequence[Sequence[Removal]], macs: int | None) -> tuple[list[Removal], int]:
    """Which parts are taken away, and on how many images, so that the budget holds.

    All parts on fewer images, down to `LEAST_IMAGES`; then fewer parts, spread evenly over each kind; kinds with few
    parts keep theirs first.
    """
    one = macs or UNKNOWN_MACS
    count = sum(map(len, kinds))
    images = min(MOST_IMAGES, max(LEAST_IMAGES, int(BUDGET / (one * max(count, 1)))))
    left = max(len(kinds), int(BUDGET / (one * images)))
    chosen: dict[int, list[Removal]] = {}
    order = sorted(range(len(kinds)), key=lambda at: len(kinds[at]))
    for done, at in enumerate(order):
        share = min(len(kinds[at]), left // (len(kinds) - done))
        chosen[at] = [kinds[at][place] for place in spread_places(len(kinds[at]), share)] if share else []
        left -= share
    return [removal for at in range(len(kinds)) for removal in chosen[at]], images
