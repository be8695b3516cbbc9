"""Where two encoders part, as plain data: a row a layer, and what probably causes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Tower = Literal["image", "text"]
Way = Literal["name", "layout", "execution"]


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """How the outputs of one place differ.

    Attributes:
        tower: "image" or "text".
        layer: The place, by our names where the networks have them.
        stage: Whether it is one of the large steps; False within the first block that differs.
        shape: Of both outputs, without the batch of one.
        max_abs: The largest difference.
        relative: The same as a share of the largest output; infinite where outputs are not numbers or of other shapes.
        cosine: Between both outputs as one long vector each; not a number likewise.
    """

    tower: Tower
    layer: str
    stage: bool
    shape: tuple[int, ...]
    max_abs: float
    relative: float
    cosine: float


@dataclass(frozen=True, kw_only=True)
class LayerDiff:
    """Where two encoders part.

    Attributes:
        a: Name of the first.
        b: Name of the second.
        threshold: Of `relative`, above which a layer counts as different.
        way: How places were matched: by the modules' "name", a checkpoint's "layout", or order of "execution".
        rows: In the order in which the first network runs, images before texts.
        causes: Of each tower that parts, what probably makes it part.
        unmatched_a: Modules of the first that have no partner, or one whose output has another shape.
        unmatched_b: Likewise of the second.
    """

    a: str
    b: str
    threshold: float
    way: Way
    rows: tuple[LayerRow, ...]
    causes: dict[Tower, str]
    unmatched_a: tuple[str, ...]
    unmatched_b: tuple[str, ...]

    def first(self, tower: Tower) -> LayerRow | None:
        """The first layer of a tower that differs by more than the threshold."""
        return next((row for row in self.rows if row.tower == tower and row.relative > self.threshold), None)

    @property
    def verdict(self) -> dict[Tower, str]:
        """What was found in each tower, in a sentence or two."""
        said: dict[Tower, str] = {}
        for tower in dict.fromkeys(row.tower for row in self.rows):
            first, last = self.first(tower), [row for row in self.rows if row.tower == tower][-1]
            if first is None:
                close = f"up to {last.relative:.1e}" if last.relative else "bit by bit"
                said[tower] = f"The {tower} towers agree, {close} at their end."
            else:
                by = f"by {first.relative:.1e} of its largest output" if first.relative < math.inf else "entirely"
                said[tower] = f"The {tower} towers part at {first.layer}, {by}. {self.causes[tower]}"
        return said
