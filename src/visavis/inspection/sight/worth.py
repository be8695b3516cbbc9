"""What each part of a network is worth: the vectors without it, held against those of the whole network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.stats import norm, t
from torch import Tensor

from visavis.errors import VisavisError
from visavis.inspection.sight.ablations import Encode
from visavis.inspection.sight.classifier import Classify
from visavis.inspection.sight.records import Ablation
from visavis.inspection.sight.removals import Removal

BATCH_SIZE = 32
LEVEL = 0.95


def worth(
    removals: Sequence[Removal], pixels: Tensor, whole: Tensor, right: Classify | None
) -> Iterator[Ablation | str]:
    """What each part is worth, one at a time; in place of one that cannot be taken away, why.

    Args:
        removals: Parts.
        pixels: Preprocessed images [images, 3, side, side], at least two.
        whole: Their vectors by the whole network, [images, embed_dim].
        right: What says of such vectors which images are named right, where there are labels.
    """
    before = right(whole.numpy()) if right else None
    for removal in removals:
        try:
            vectors = _encode(removal.make(), pixels)
        except VisavisError as error:
            yield f"{removal.part[0].upper()}{removal.part[1:]} could not be taken away: {error}"
            continue
        if not vectors.isfinite().all():
            yield f"Without the {removal.part} the embeddings are no numbers."
            continue
        cosines = torch.cosine_similarity(whole.double(), vectors.double()).numpy()
        change = None
        if right is not None and before is not None:
            value, low, high = change_interval(before, right(vectors.numpy()))
            change = (100 * value, 100 * low, 100 * high)
        mean, low, high = mean_interval(cosines)
        yield Ablation(part=removal.part, cosine=mean, low=low, high=high, accuracy=change)


@torch.inference_mode()
def _encode(encode: Encode, pixels: Tensor) -> Tensor:
    batches = (batch.contiguous(memory_format=torch.channels_last) for batch in pixels.split(BATCH_SIZE))
    return torch.cat([encode(batch) for batch in batches])


def mean_interval(cosines: np.ndarray) -> tuple[float, float, float]:
    """Mean of cosines [images] with its 95% interval by Student's t, within -1 to 1."""
    mean, spread = float(cosines.mean()), float(cosines.std(ddof=1)) / math.sqrt(len(cosines))
    half = float(t.ppf((1 + LEVEL) / 2, len(cosines) - 1)) * spread
    return mean, max(-1.0, mean - half), min(1.0, mean + half)


def change_interval(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Change of a share of right answers on the same images, [images] booleans each, with its 95% interval.

    The normal interval after adding one image for each side, as with few images that change the plain one is too short.

    Source: Bonett and Price 2012, Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on
    Paired Data, Journal of Educational and Behavioral Statistics 37.
    """
    n = len(before)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    centre = (gained - lost) / (n + 2)
    variance = (gained + lost + 2) / (n + 2) - centre**2
    half = float(norm.ppf((1 + LEVEL) / 2)) * math.sqrt(variance / (n + 2))
    value = (gained - lost) / n
    return value, max(-1.0, min(value, centre - half)), min(1.0, max(value, centre + half))
