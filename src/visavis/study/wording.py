"""Numbers as a sentence shows them: in percent, rounded to their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

MINUS = "−"


def decimals_for(low: float, high: float) -> int:
    """Decimals, in percent, that leave two digits of the interval's half-width: 0, 1 or 2.

    One more where a bound that is not 0 would read as 0.
    """
    half = 100 * (high - low) / 2
    decimals = 2 if half <= 0 else min(2, max(0, 1 - math.floor(math.log10(half))))
    while decimals < 2 and any(bound != 0 and round(100 * bound, decimals) == 0 for bound in (low, high)):
        decimals += 1
    return decimals


def percent(value: float, low: float, high: float) -> str:
    """A share with its interval.

    >>> percent(0.6123, 0.574, 0.6492)
    '61.2% [57.4, 64.9]'
    """
    digits = decimals_for(low, high)
    return f"{100 * value:.{digits}f}% [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def points_with_interval(difference: float, low: float, high: float) -> str:
    """A difference of shares, in percentage points, with its interval.

    >>> points_with_interval(-0.012, -0.034, 0.0101)
    '−1.2 points [−3.4, 1.0]'
    """
    digits = decimals_for(low, high)
    return f"{_signed(difference, digits)} points [{_signed(low, digits)}, {_signed(high, digits)}]"


def points(difference: float) -> str:
    """A difference without interval, to two digits: "3.4 points", "12 points"."""
    return f"{100 * difference:.{0 if difference >= 0.0995 else 1}f} points"


def margin_in_words(margin: float) -> str:
    """A margin as it was given: "2 points", "0.5 points"."""
    return f"{100 * margin:g} points" if margin != 0.01 else "1 point"


def round_up(count: int, digits: int = 2) -> int:
    """The next number with so many digits and zeros behind them: 583 becomes 590."""
    step = 10 ** max(0, len(str(count)) - digits)
    return math.ceil(count / step) * step


def p_in_words(p_value: float) -> str:
    """A p value to two digits: "p = 0.034", "p < 0.001"."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.2g}" if p_value < 0.995 else "p = 1"


def listed(names: Sequence[str]) -> str:
    """Names in a row: "a", "a and b", "a, b and c"."""
    *front, last = names
    return f"{', '.join(front)} and {last}" if front else last


def _signed(share: float, digits: int) -> str:
    text = f"{abs(100 * share):.{digits}f}"
    return MINUS + text if share < 0 and float(text) else text
