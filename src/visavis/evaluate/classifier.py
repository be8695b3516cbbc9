"""A supervised model's own classifier, where its class names are the data's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visavis.evaluate.scores import NotMeasurable, require_finite, softmax

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
        data_classes: Names of the result's columns; matched exactly, else without regard to case. Outputs of one name
            (ImageNet's two cranes, bird and machine) are one class, and its probability is their sum.

    Returns:
        Probabilities, float32 [images, data classes].

    Raises:
        NotMeasurable: The head does not know all of the data's classes, or the embeddings are no numbers.
    """
    exact, folded = _outputs_by_name(head_classes), _outputs_by_name([name.casefold() for name in head_classes])
    outputs = [exact.get(name) or folded.get(name.casefold(), []) for name in data_classes]
    missing = [name for name, found in zip(data_classes, outputs, strict=True) if not found]
    if missing:
        examples = ", ".join(missing[:SHOWN])
        raise NotMeasurable(
            f"Its classifier knows {len(data_classes) - len(missing)} of the {len(data_classes)} classes; it lacks "
            f"{examples}{' and others' if len(missing) > SHOWN else ''}."
        )
    require_finite(embeddings)
    rows = [row for found in outputs for row in found]
    probabilities = softmax(embeddings @ weight[rows].T + bias[rows])  # [images, outputs]
    starts = np.cumsum([0, *(len(found) for found in outputs[:-1])])
    return np.add.reduceat(probabilities, starts, axis=1)  # [images, data classes]


def _outputs_by_name(names: Sequence[str]) -> dict[str, list[int]]:
    outputs: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        outputs.setdefault(name, []).append(index)
    return outputs
