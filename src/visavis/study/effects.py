"""How it is built or how it was trained? Effects of both, and their interaction, where the models fill the square.

                labels              language
    ResNet      supervised ResNet   CLIP with a ResNet
    ViT         supervised ViT      CLIP with a ViT

Each effect is a contrast of the four corners, averaged over the same images for all: a paired difference with a
bootstrap interval. It speaks of the models at hand; other training runs are another source of variation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from visavis.study.answers import answers_of
from visavis.study.bootstrap import DRAWS, LEVEL, Resampling, estimate_contrasts

EFFECT_COLUMNS = ("view", "measure", "effect", "description", "difference", "low", "high", "n")
DESCRIPTIONS = {
    "architecture": "ViT minus ResNet, averaged over training on labels and on language",
    "training": "language minus labels, averaged over ResNet and ViT",
    "interaction": "what language adds for ViT, minus what it adds for ResNet",
}
SIGNS = {  # of a corner's accuracy in each effect
    ("ResNet", "labels"): (-1, -1, 1),
    ("ResNet", "language"): (-1, 1, -1),
    ("ViT", "labels"): (1, -1, -1),
    ("ViT", "language"): (1, 1, 1),
}
SHARES = (0.5, 0.5, 1.0)  # architecture and training are means of two differences, the interaction a difference of two
LARGEST = (1.0, 1.0, 2.0)  # what one image can show


def factorial_effects(
    predictions: pd.DataFrame,
    factors: Mapping[str, tuple[str, str]],
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Effects of architecture and training on accuracy, for each view and measure whose models fill the square.

    Args:
        predictions: One row a decision; the main run (draw 0) counts.
        factors: For each model its architecture ("ResNet", "ViT") and training ("labels", "language"). Models that
            share a corner count as their mean.
        draws: Bootstrap resamples.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        Three rows (architecture, training, interaction) a view and measure, with the columns of `EFFECT_COLUMNS`, over
        the images that all its models were asked; no rows where a corner is empty.

    Raises:
        UsageError: The predictions cannot be read; see `answers_of`.
    """
    answers = answers_of(predictions)
    rows, contrasts = [], []
    for (view, measure), columns in answers.families().items():
        corners: dict[tuple[str, str], list[int]] = {}
        for model, column in columns.items():
            if model in factors:
                corners.setdefault(factors[model], []).append(column)
        if not corners.keys() >= SIGNS.keys():
            continue
        means = np.stack([answers.right[:, corners[corner]].mean(axis=1) for corner in SIGNS])  # [4, images]
        if np.isnan(means.sum(axis=0)).all():
            continue  # no image was asked of all
        contrasts.append(means.T @ (np.array(list(SIGNS.values())) * SHARES))  # [images, 3]
        rows += [(view, measure, effect, description) for effect, description in DESCRIPTIONS.items()]
    if not rows:
        return pd.DataFrame(columns=list(EFFECT_COLUMNS))
    resampling = Resampling(draws=draws, level=level, seed=seed)
    largest = np.tile(LARGEST, len(contrasts))
    estimates = estimate_contrasts(np.hstack(contrasts), answers.strata, largest, resampling)
    table = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS[:4]))
    return table.assign(difference=estimates.value, low=estimates.low, high=estimates.high, n=estimates.n)
