"""Images whose right explanation is known: two things in opposite corners, one of which is asked for.

The one idea: a map that finds things, but not the one asked for, gives both corners the same; so chance is one half.
Source: the pointing game of Zhang et al. 2018, on composed images as in Böhle et al. 2021, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

SHARE = 5 / 8  # of the canvas' side that a thing takes; at one half, networks trained on whole drawings know few
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # row and column of each


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Two things on white.

    Attributes:
        asked, other: Numbers of the two drawings.
        corner: Row and column, 0 or 1, of the thing that is asked for; the other is in the opposite one.
        both: uint8 [side, side, 3].
        asked_alone, other_alone: The same with one thing only.
    """

    asked: int
    other: int
    corner: tuple[int, int]
    both: np.ndarray
    asked_alone: np.ndarray
    other_alone: np.ndarray


def compose(drawings: Sequence[Image.Image], side: int, seed: int) -> Iterator[Composition]:
    """Pairs of different drawings, on white, without end.

    Args:
        drawings: Each one thing on white.
        side: Of the composed images in pixels.
        seed: Of pairs and places.
    """
    generator = np.random.default_rng(seed)
    while True:
        asked, other = (int(number) for number in generator.choice(len(drawings), 2, replace=False))
        row, column = CORNERS[generator.integers(4)]
        asked_alone = _pasted(side, drawings[asked], (row, column))
        other_alone = _pasted(side, drawings[other], (1 - row, 1 - column))
        yield Composition(
            asked=asked,
            other=other,
            corner=(row, column),
            both=np.minimum(asked_alone, other_alone),  # of two drawings' pixels the darker stays
            asked_alone=asked_alone,
            other_alone=other_alone,
        )


def in_asked_corner(values: np.ndarray, corner: tuple[int, int]) -> float:
    """Of what speaks for the target in both things' quarters of a map [side, side], the share in the right one.

    One half where nothing does.
    """
    row, column = corner
    right, wrong = (float(_quarter(values, place).clip(min=0).sum()) for place in (corner, (1 - row, 1 - column)))
    return right / (right + wrong) if right + wrong > 0 else 0.5


def points_at(values: np.ndarray, corner: tuple[int, int]) -> bool:
    """Whether a map's highest pixel lies in the right quarter; not where all are the same."""
    highest = np.unravel_index(values.argmax(), values.shape)
    half = len(values) // 2
    return bool(values.min() < values.max()) and tuple(int(place >= half) for place in highest) == corner


def _quarter(values: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    half = len(values) // 2
    rows, columns = (slice(half, None) if part else slice(half) for part in corner)
    return values[rows, columns]


def _pasted(side: int, drawing: Image.Image, corner: tuple[int, int]) -> np.ndarray:
    """White with a drawing in one corner, uint8 [side, side, 3]."""
    canvas, size = np.full((side, side, 3), 255, np.uint8), round(SHARE * side)
    rows, columns = (slice(side - size, side) if part else slice(size) for part in corner)
    canvas[rows, columns] = np.asarray(drawing.resize((size, size), Image.Resampling.BICUBIC))
    return canvas
