"""Does a model notice images of another kind? Scores that should be lower there, and how well they tell the two apart.

Sources: the highest probability, Hendrycks and Gimpel 2017, A Baseline for Detecting Misclassified and
Out-of-Distribution Examples; the highest logit, Hendrycks et al. 2022, Scaling Out-of-Distribution Detection; energy,
Liu et al. 2020, Energy-based Out-of-distribution Detection, section 3; nearest neighbours, Sun et al. 2022,
Out-of-Distribution Detection with Deep Nearest Neighbors, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis.evaluate.scores import require_finite, unit_rows

NEIGHBOUR = 10  # the similarity of the tenth nearest training image counts: one near image may be a coincidence
KEPT = 0.95  # of the data's own images, as the field reports the false alarms
BLOCK = 2048  # images compared with all training images at once


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How well a score tells the data's own images from others.

    Attributes:
        auroc: Chance that an own image scores above another; 0.5 is a coin.
        fpr95: Share of the others that pass where 95% of the own images do.
        own_above: For each own image the share of others below it, half of the equal ones, [own]; their mean is auroc.
        other_below: For each other image the share of own ones above it, [others].
    """

    auroc: float
    fpr95: float
    own_above: np.ndarray
    other_below: np.ndarray


def energy(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the summed exponentials, the negative energy, [images]; logits are [images, classes]."""
    highest = logits.max(axis=1)
    return highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))


def neighbour_similarity(train: np.ndarray, images: np.ndarray, k: int = NEIGHBOUR) -> np.ndarray:
    """Cosine similarity of each image to its k-th nearest training image, [images].

    Args:
        train: [training images, embed_dim], of any length.
        images: [images, embed_dim].
        k: Counted from 1; the last where there are fewer training images.

    Raises:
        NotMeasurable: Embeddings that are no numbers.
    """
    require_finite(train, images)
    train, images = unit_rows(train), unit_rows(images)
    k = min(k, len(train))
    place = len(train) - k  # from the least similar
    blocks = (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))
    return np.concatenate([np.partition(block @ train.T, place, axis=1)[:, place] for block in blocks])


def separation(own: np.ndarray, others: np.ndarray) -> Separation:
    """How well a score [own], [others] tells the two apart; higher is more like the data's own images."""
    own_above = _share_below(others, own)
    return Separation(
        auroc=float(own_above.mean()),
        fpr95=float((others >= np.sort(own)[rank_kept(len(own))]).mean()),
        own_above=own_above,
        other_below=1 - _share_below(own, others),
    )


def rank_kept(n_own: int) -> int:
    """The place, from 0, of the lowest of n scores that still passes where `KEPT` of them do."""
    return int(np.floor((1 - KEPT) * n_own + 1e-9))


def _share_below(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each value the share of scores below it; equal ones count half."""
    ordered = np.sort(scores)
    below, not_above = np.searchsorted(ordered, values, side="left"), np.searchsorted(ordered, values, side="right")
    return (below + not_above) / (2 * len(scores))
