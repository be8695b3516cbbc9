"""How many images a paired comparison needs.

Two models on the same images differ only where one is right and the other wrong. With a share `discordant_rate` of such
images and a difference in accuracy `difference`, McNemar's test needs about

    n = (z_alpha * sqrt(discordant_rate) + z_power * sqrt(discordant_rate - difference**2))**2 / difference**2

images, z being normal quantiles. Sources: Miettinen 1968, Biometrics 24; Connor 1987, Biometrics 43.
"""

from __future__ import annotations

import math

from scipy.special import ndtri

from visavis.errors import UsageError

ALPHA = 0.05
POWER = 0.8


def needed_images(discordant_rate: float, difference: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Images at which McNemar's two-sided test finds the difference with the given power.

    Args:
        discordant_rate: Share of images on which exactly one of two models is right, 0 to 1.
        difference: Difference in accuracy, a fraction; its sign plays no part.
        power: Chance to find it.
        alpha: Level of the test.

    Returns:
        A number of images; None where the difference is 0 and no number finds it.

    Raises:
        UsageError: A share lies outside 0 to 1, or the difference exceeds the discordant rate, which cannot be.
    """
    _check(discordant_rate, power, alpha)
    difference = abs(difference)
    if difference > discordant_rate * (1 + 1e-9):
        raise UsageError(
            f"A difference of {difference} needs at least as many discordant images, not a share of {discordant_rate}. "
            "Give the share of images on which exactly one model is right."
        )
    if difference == 0:
        return None
    spread = math.sqrt(max(discordant_rate - difference**2, 0))
    normal = ((_quantile(alpha) * math.sqrt(discordant_rate) + ndtri(power) * spread) / difference) ** 2
    # an exact test of k discordant images, all for one side, has p = 2 / 2**k: fewer cannot be significant
    fewest = math.ceil(math.log2(2 / alpha)) / discordant_rate
    return math.ceil(max(normal, fewest) - 1e-9)


def detectable_difference(n: int, discordant_rate: float, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """The smallest difference in accuracy that `n` images show with the given power; the formula above, solved for it.

    Returns:
        A fraction; None where not even the largest possible difference, `discordant_rate`, would be found.

    Raises:
        UsageError: n is below 1 or a share lies outside 0 to 1.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1 image, not {n}.")
    _check(discordant_rate, power, alpha)
    z_alpha, z_power = _quantile(alpha), ndtri(power)
    # (sqrt(n) d - z_alpha sqrt(r))^2 = z_power^2 (r - d^2), the larger root
    shift = z_alpha * math.sqrt(discordant_rate * n)
    rest = shift**2 - (n + z_power**2) * discordant_rate * (z_alpha**2 - z_power**2)
    difference = (shift + math.sqrt(max(rest, 0))) / (n + z_power**2)
    return difference if 0 < difference <= discordant_rate else None


def _quantile(alpha: float) -> float:
    return float(ndtri(1 - alpha / 2))


def _check(discordant_rate: float, power: float, alpha: float) -> None:
    for name, share in (("discordant_rate", discordant_rate), ("power", power), ("alpha", alpha)):
        if not 0 <= share <= 1 or (name != "discordant_rate" and share in (0, 1)):
            raise UsageError(f"{name} must be a share between 0 and 1, not {share}. 20% is written 0.2.")
