"""Some of many, spread evenly."""

from __future__ import annotations


def spread_places(count: int, most: int) -> list[int]:
    """At most so many numbers below `count`, the first and the last among them.

    Steps are not all the same, as data may come in turns, such as three drawings of each thing.

    >>> spread_places(10, 4)
    [0, 3, 6, 9]
    """
    if count <= most:
        return list(range(count))
    return [number * (count - 1) // (most - 1) for number in range(most)] if most > 1 else [0]
