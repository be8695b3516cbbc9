"""Means over the test images of a study with their intervals, by the same resamples for all columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.study.answers import number_groups
from visavis.study.bootstrap import Resampling, estimate_accuracies, strata_of


def over_images(values: np.ndarray, samples: Sequence[Sample], seed: int) -> pd.DataFrame:
    """One row a column.

    Args:
        values: From 0 to 1, [images, columns].
        samples: The images; whole groups are resampled.
        seed: Of the resamples.

    Returns:
        value, low, high, n.
    """
    strata = strata_of(np.zeros(len(samples), int), number_groups([sample.group for sample in samples]))
    found = estimate_accuracies(values, np.ones_like(values), strata, Resampling(seed=seed))
    return pd.DataFrame({"value": found.value, "low": found.low, "high": found.high, "n": found.n})
