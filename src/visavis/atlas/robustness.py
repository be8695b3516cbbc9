"""Effective robustness: how much better a model does under a shift than models of its accuracy do.

Models trained on ImageNet-1k alone lie near a line on probit axes: accuracy on ImageNet tells the one under the shift.
The height above that line is what the line does not explain. Source: Taori et al. 2020, Measuring Robustness to Natural
Distribution Shifts, section 3.

Cautions: for ImageNet-R and -A all models stand at their accuracy on the whole of ImageNet, since open_clip's table has
none for their 200 classes; and ImageNet-A was chosen against a ResNet-50, which handicaps its relatives there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from visavis.atlas.record import BASELINE, SHIFTS

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 2000
LEVEL = 0.95
IMAGES = {BASELINE: 50_000, "ImageNet v2": 10_000, "ImageNet Sketch": 50_889, "ImageNet-R": 30_000, "ImageNet-A": 7_500}


@dataclass(frozen=True, kw_only=True)
class Line:
    """Accuracy under one shift from accuracy on ImageNet, linear between their probits.

    Attributes:
        shift: As in `SHIFTS`.
        slope, intercept: Least squares, in probits.
        n: Models that it was fitted to.
        spread: Standard deviation of those models around it, in fractions.
        draws: Slopes and intercepts of resampled models, [2, draws].
    """

    shift: str
    slope: float
    intercept: float
    n: int
    spread: float
    draws: np.ndarray

    def at(self, accuracy: np.ndarray) -> np.ndarray:
        """What the line expects of accuracies on ImageNet, fractions of the same shape."""
        return ndtr(self.intercept + self.slope * ndtri(accuracy))


def fit_line(supervised: pd.DataFrame, shift: str, seed: int = 0) -> Line:
    """The line of the models that ImageNet-1k alone trained.

    Args:
        supervised: Of `read_supervised`.
        shift: As in `SHIFTS`.
        seed: Of the bootstrap over models.
    """
    both = supervised.loc[supervised["imagenet_only"], [BASELINE, shift]].dropna()
    both = both[(both[shift] > 0) & (both[shift] < 1)]
    x, y = ndtri(both.to_numpy()).T  # [models]
    picked = np.random.default_rng(seed).integers(len(x), size=(DRAWS, len(x)))
    slope, intercept = _least_squares(x[None], y[None])
    line = Line(
        shift=shift,
        slope=float(slope[0]),
        intercept=float(intercept[0]),
        n=len(x),
        spread=0.0,
        draws=np.stack(_least_squares(x[picked], y[picked])),
    )
    residuals = both[shift].to_numpy() - line.at(both[BASELINE].to_numpy())
    return Line(**{**vars(line), "spread": float(residuals.std(ddof=2))})


def effective_robustness(models: pd.DataFrame, line: Line, seed: int = 0) -> pd.DataFrame:
    """Height above the line, with its interval: over the line's models and over the images of both test sets.

    Args:
        models: Columns model, `BASELINE` and the line's shift, in fractions.
        line: Of `fit_line`.
        seed: Of the images' draws.

    Returns:
        model, accuracy, shifted, expected, effective, low, high, for models that have both accuracies.
    """
    import pandas as pd

    known = models[["model", BASELINE, line.shift]].dropna()
    accuracy, shifted = known[BASELINE].to_numpy(), known[line.shift].to_numpy()
    generator = np.random.default_rng(seed)
    slope, intercept = line.draws[:, :, None]  # [draws, 1]
    noisy, noisy_shifted = (
        generator.binomial(IMAGES[name], share, size=(line.draws.shape[1], len(share))) / IMAGES[name]
        for name, share in ((BASELINE, accuracy), (line.shift, shifted))
    )
    drawn = noisy_shifted - ndtr(intercept + slope * ndtri(noisy))  # [draws, models]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    expected = line.at(accuracy)
    return pd.DataFrame(
        {
            "model": known["model"].to_numpy(),
            "accuracy": accuracy,
            "shifted": shifted,
            "expected": expected,
            "effective": shifted - expected,
            "low": low,
            "high": high,
        }
    )


def fit_lines(supervised: pd.DataFrame) -> dict[str, Line]:
    """One line for each of `SHIFTS`."""
    return {shift: fit_line(supervised, shift) for shift in SHIFTS}


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts of rows, [rows, models] each to [rows]."""
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    slope = (dx * dy).sum(axis=1) / (dx**2).sum(axis=1)
    return slope, y.mean(axis=1) - slope * x.mean(axis=1)
