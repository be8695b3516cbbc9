"""A sum that is small enough to be counted, as strokes in groups: 50 = 1 + 3 × 16 + 1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visavis.inspection.anatomy.tree import Rule

MOST = 120  # strokes that an eye can still take in as groups
_SUM = re.compile(r"\d+( [x×] \d+)?( \+ \d+( [x×] \d+)?)*")


def tally_of(rule: Rule) -> list[tuple[int, int, int]]:
    """Groups of strokes as (how many groups, strokes in each, number of the term); empty where the sum has none.

    A product is as many groups as its second factor says, as in 3 layers in each of 16 blocks.
    """
    if not _SUM.fullmatch(rule.sum) or rule.number > MOST:
        return []
    groups = []
    for number, term in enumerate(rule.sum.split(" + ")):
        size, *times = (int(factor) for factor in re.split(" [x×] ", term))
        groups.append((times[0] if times else 1, size, number))
    return groups if sum(times * size for times, size, _ in groups) == rule.number and len(groups) > 1 else []
