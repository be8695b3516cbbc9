"""Zero-shot classification: Radford et al. 2021, section 3.1. Class names are the classifier."""

from __future__ import annotations

import numpy as np

from visavis.evaluate.scores import require_finite, softmax, unit_rows


def zero_shot(image_embeddings: np.ndarray, classifier: np.ndarray, logit_scale: float) -> np.ndarray:
    """Softmax over the cosine of each image with each class, divided by the learned temperature.

    Args:
        image_embeddings: float32 [images, embed_dim], of any length.
        classifier: float32 [classes, embed_dim], unit rows: the classes' prompts, encoded.
        logit_scale: The model's inverse temperature.

    Returns:
        Probabilities, float32 [images, classes].

    Raises:
        NotMeasurable: Embeddings that are no numbers.
    """
    require_finite(image_embeddings)
    return softmax(logit_scale * unit_rows(image_embeddings) @ classifier.T)
