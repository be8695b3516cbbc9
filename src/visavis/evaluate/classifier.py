"""A supervised model's own classifier, where its class names are the data's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visavis.evaluate.scores import NotMeasurable, softmax

SHOWN = 3  # names in a reason


def own_classifier(
    embeddings: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    head_classes: Sequence[str],
    data_classes: Sequence[str],
) -> np.ndarray:
    """The head's softmax over the data's classes alone: the choice that zero-shot has too, so that both compare.

    Args:
        embeddings: Pooled features, float32 [images, embed_dim].
        weight: float32 [head classes, embed_dim].
        bias: float32 [head classes].
        head_classes: Names of the head's outputs.
        data_classes: Names of the result's columns; matched without regard to case.

    Returns:
        Probabilities, float32 [images, data classes].

    Raises:
        NotMeasurable: The head does not know all of the data's classes.
    """
    row = {name.casefold(): index for index, name in enumerate(head_classes)}
    missing = [name for name in data_classes if name.casefold() not in row]
    if missing:
        examples = ", ".join(missing[:SHOWN])
        raise NotMeasurable(
            f"Its classifier knows {len(data_classes) - len(missing)} of the {len(data_classes)} classes; it lacks "
            f"{examples}{' and others' if len(missing) > SHOWN else ''}."
        )
    rows = [row[name.casefold()] for name in data_classes]
    return softmax(embeddings @ weight[rows].T + bias[rows])
