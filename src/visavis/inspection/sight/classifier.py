"""How a network names images from their vectors alone, so that a part's worth can be told in accuracy.

The one idea: its own classes where it has those of the labels, else texts of the labels where it reads, else the
nearest mean of the other images of each class, by the whole network's vectors (Snell et al. 2017, section 2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from visavis.engine.encoder import Encoder

Classify = Callable[[np.ndarray], np.ndarray]  # vectors [images, embed_dim] to whether each is named right, [images]


def classifier_of(
    encoder: Encoder, labels: Sequence[str], known: Sequence[str], templates: Sequence[str], vectors: np.ndarray
) -> tuple[Classify | None, str]:
    """What says which images are named right, and in words how; None and nothing where that cannot be said.

    Args:
        encoder: The network.
        labels: Of the images, in order.
        known: All labels of the data, among which is chosen.
        templates: Prompts for texts; the encoder's own where there are none.
        vectors: Of the images by the whole network, [images, embed_dim].
    """
    names = sorted(set(known))
    wanted = np.array([names.index(label) for label in labels])
    own = encoder.class_names or ()
    if encoder.head is not None and set(names) <= set(own):
        weight, bias = (part[[own.index(name) for name in names]] for part in encoder.head)
        return lambda seen: (seen @ weight.T + bias).argmax(axis=1) == wanted, "its own classes"
    if encoder.has_text:
        texts = encoder.zero_shot_classifier(names, templates or None)
        return lambda seen: (seen @ texts.T).argmax(axis=1) == wanted, "texts of the labels"
    if len(set(labels)) < 2 or len(set(labels)) == len(labels):
        return None, ""
    return _nearest_mean(vectors, wanted), "the nearest class mean"


def _nearest_mean(vectors: np.ndarray, wanted: np.ndarray) -> Classify:
    """By cosine; an image's own vector is left out of its class's mean, so a class of one is never right."""
    unit = _unit(vectors)
    classes, numbers = np.unique(wanted, return_inverse=True)
    belongs = numbers[:, None] == np.arange(len(classes))  # [images, classes]
    sums = belongs.T @ unit  # [classes, embed_dim]

    def right(seen: np.ndarray) -> np.ndarray:
        means = _unit(sums - np.where(belongs[:, :, None], unit[:, None, :], 0.0))  # [images, classes, embed_dim]
        scores = np.einsum("ncd,nd->nc", means, _unit(seen))
        scores[belongs & (belongs.sum(axis=0) == 1)] = -np.inf
        return scores.argmax(axis=1) == numbers

    return right


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
