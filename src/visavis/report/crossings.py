"""At which image sizes one network's cost overtakes another's, read off the curves of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy


def crossings(anatomies: Sequence[Anatomy]) -> list[tuple[str, str, float, float]]:
    """Where one model's MACs overtake another's as images grow: names, side of the image in pixels, MACs there.

    Between counted sizes both follow straight lines over the logarithms, as powers of the side do.
    """
    found = []
    for a, b in combinations(anatomies, 2):
        curve_a, curve_b = (
            [(math.log(g.image_size), math.log(g.macs)) for g in one.growth if g.macs] for one in (a, b)
        )
        if len(curve_a) < 2 or len(curve_b) < 2:
            continue
        low, high = max(curve_a[0][0], curve_b[0][0]), min(curve_a[-1][0], curve_b[-1][0])
        sizes = sorted({x for x, _ in (*curve_a, *curve_b) if low <= x <= high})
        gaps = [_at(curve_a, x) - _at(curve_b, x) for x in sizes]
        for x, after, gap, gap_after in zip(sizes, sizes[1:], gaps, gaps[1:], strict=False):
            if gap * gap_after < 0:
                at = x + (after - x) * gap / (gap - gap_after)
                found.append((a.name, b.name, math.exp(at), math.exp(_at(curve_a, at))))
    return found


def halves(anatomies: Sequence[Anatomy]) -> list[tuple[str, float, float]]:
    """Where attention's two products become half of all that a model costs: name, side in pixels, MACs there."""
    found = []
    for one in anatomies:
        grown = [growth for growth in one.growth if growth.macs and growth.attention_macs]
        every = [(math.log(g.image_size), math.log(g.macs)) for g in grown]
        gaps = [math.log(2 * g.attention_macs / g.macs) for g in grown]
        for (x, _), (after, _), gap, gap_after in zip(every, every[1:], gaps, gaps[1:], strict=False):
            if gap < 0 <= gap_after:
                at = x + (after - x) * gap / (gap - gap_after)
                found.append((one.name, math.exp(at), math.exp(_at(every, at))))
    return found


def _at(curve: Sequence[tuple[float, float]], x: float) -> float:
    return float(np.interp(x, [point[0] for point in curve], [point[1] for point in curve]))
