"""Each prompt alone against all of them together, and names that a text tower cannot tell apart."""

from __future__ import annotations

import numpy as np

from visavis.evaluate.scores import unit_rows


def answers_by_prompt(images: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Zero-shot answers of each template alone, and of the ensemble.

    Args:
        images: float32 [images, embed_dim].
        prompts: Unit vectors, float32 [templates, classes, embed_dim].

    Returns:
        Class numbers, int64 [images, templates + 1]; the last column is that of the mean of the unit vectors (Radford
        et al. 2021, section 3.1.4).
    """
    images = unit_rows(images)
    classifiers = [*prompts, unit_rows(prompts.mean(axis=0))]
    return np.column_stack([(images @ classifier.T).argmax(axis=1) for classifier in classifiers])


def nearest_names(classifier: np.ndarray, most: int) -> list[tuple[int, int, float]]:
    """The classes whose vectors are most alike: two numbers and their cosine, the most alike first.

    Args:
        classifier: float32 [classes, embed_dim], unit rows.
        most: Pairs wanted.
    """
    cosine = classifier @ classifier.T
    first, second = np.triu_indices(len(classifier), k=1)
    values = cosine[first, second]
    best = np.argsort(-values, kind="stable")[:most]
    return [(int(first[one]), int(second[one]), float(values[one])) for one in best]
