"""Corruption error: how often a model is wrong on corrupted images, by itself and as a share of a reference's errors.

Source: Hendrycks and Dietterich 2019, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
section 4. Their reference is AlexNet on ImageNet; here it is a model of the same study on the same images.
"""

from __future__ import annotations

import numpy as np

METRICS = ("error", "increase", "ce", "relative_ce")


def corruption_errors(clean: np.ndarray, corrupted: np.ndarray, reference: int = 0) -> dict[str, np.ndarray]:
    """Errors of each model under each corruption, and their means over the corruptions.

    Args:
        clean: Error on the unchanged images, [..., models]; leading axes are resamples.
        corrupted: Error under each corruption, averaged over its severities, [..., corruptions, models].
        reference: Column of the model whose errors count as 1.

    Returns:
        For each of `METRICS` [..., corruptions + 1, models], the mean last: the error; what it is above the clean
        error; the error, and that increase, as a share of the reference's (NaN or infinite where it has none; NaN where
        the corruption costs the reference nothing). The mean
        of the last is the ratio of mean increases, not the paper's mean of ratios, which a corruption that costs the
        reference next to nothing would decide alone.
    """
    increase = _with_mean(corrupted - clean[..., None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        ce = _with_mean(corrupted / corrupted[..., [reference]])
        costly = np.where(increase[..., [reference]] > 0, increase[..., [reference]], np.nan)
        relative = increase / costly
    return dict(zip(METRICS, (_with_mean(corrupted), increase, ce, relative), strict=True))


def _with_mean(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values.mean(axis=-2, keepdims=True)], axis=-2)
