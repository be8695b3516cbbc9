"""Images of which nothing is known: is a changed image nearest to what it was, among all images as they are?

That is no accuracy on anyone's classes. It tells whether a model takes a change for another image, which matters where
copies are looked for, and it needs no label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.data.splits import groups_of_identical
from visavis.errors import UsageError
from visavis.evaluate.retrieval import retrieve

MIXED = "mixed"  # the view in which each image is changed in one of the ways, drawn by its id
# Where the user names no view: from slight changes to those that few models see through, of pose, colour and grain.
CHANGES = (
    "grayscale", "hue:90", "fade:50", "mirror", "rotate:15", "rotate:45", "shrink:75", "shrink:50",
    "occlusion:25", "gaussian_noise:3", "defocus_blur:3", "jpeg_compression:3",
)  # fmt: skip


def require_others(samples: Sequence[Sample], name: str) -> None:
    """To be found among others, an image needs others. Raises UsageError, or VisavisError where one cannot be read."""
    different = len(groups_of_identical(samples))
    if different < 3:
        raise UsageError(
            f"None of the {len(samples)} images of {name!r} has a label, so it is asked whether changed images are "
            f"found again among all, and {different} different ones are too few. Add images, or label them: a folder "
            "for each class, or a table's column label; with a column caption images and texts are asked to find each "
            "other."
        )


def same_files(samples: Sequence[Sample]) -> tuple[np.ndarray, ...]:
    """For each image the places of those with its bytes, itself among them. Raises VisavisError."""
    place = {sample.id: number for number, sample in enumerate(samples)}
    copies: list[np.ndarray] = [np.empty(0, int)] * len(samples)
    for same in groups_of_identical(samples):
        places = np.array([place[sample.id] for sample in same])
        for own in places:
            copies[own] = places
    return tuple(copies)


def again_decisions(
    samples: Sequence[Sample], copies: Sequence[np.ndarray], changed: np.ndarray, unchanged: np.ndarray
) -> pd.DataFrame:
    """Which unchanged image each changed one is nearest to, as decisions.

    Args:
        samples: The images.
        copies: Of `same_files`: all these are right.
        changed: float32 [images, embed_dim].
        unchanged: float32 [images, embed_dim].

    Returns:
        sample, label (the image's own name), predicted (the name of the nearest, its own where that is right),
        confidence (unknown), rank (of the first right one).

    Raises:
        NotMeasurable: Vectors that are no numbers.
    """
    found = retrieve(changed, unchanged, copies)
    names = np.array([sample.name for sample in samples], object)
    wrong = found.rank > 1
    predicted = names.copy()
    predicted[wrong] = names[found.first[wrong]]
    ambiguous = wrong & (predicted == names)  # two images may bear one name
    predicted[ambiguous] = [f"another {name}" for name in names[ambiguous]]
    return pd.DataFrame(
        {
            "sample": [sample.id for sample in samples],
            "label": names,
            "predicted": predicted,
            "confidence": np.nan,
            "rank": found.rank,
        }
    )


def mixed(decisions: Mapping[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """Each image's decision under one of the views, drawn by a hash of the seed and its id: for all models the same.

    Args:
        decisions: Of `again_decisions`, for each view, in the same order of images.
        seed: Of the draw.
    """
    tables = list(decisions.values())
    drawn = np.array([_draw(seed, sample, len(tables)) for sample in tables[0]["sample"]])
    parts = [table[drawn == number] for number, table in enumerate(tables)]
    return pd.concat(parts).sort_index()


def _draw(seed: int, sample: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{sample}".encode()).digest()[:8], "big") % count
