"""How long the embeddings of both towers are, how far apart they lie, and the logit scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visavis.engine.encoder import DEFAULT_TEMPLATES, Encoder

EVERYDAY = ("dog", "cat", "tree", "flower", "car", "house", "person", "mountain")  # read where no labels are given
MOST_NAMES = 64


def norms_of(encoder: Encoder, vectors: np.ndarray, names: Sequence[str], templates: Sequence[str]) -> dict[str, float]:
    """Mean length of embeddings, and what else is one number of a network.

    Args:
        encoder: The network.
        vectors: Of images, [images, embed_dim].
        names: What the images show; everyday words are read where there are none.
        templates: Prompts for names; "a photo of a {}." where there are none.

    Returns:
        "image embedding" and "text embedding": mean lengths; "modality gap": distance between the mean of the images'
        unit vectors and that of the texts' (Liang et al. 2022, Mind the Gap, section 2), where the texts name the
        images; "logit scale".
    """
    norms = {"image embedding": float(np.linalg.norm(vectors, axis=-1).mean())}
    if encoder.has_text:
        every = max(1, -(-len(names) // MOST_NAMES))
        texts = [
            template.replace("{}", name)
            for name in names[::every] or EVERYDAY
            for template in templates or DEFAULT_TEMPLATES
        ]
        read = encoder.encode_texts(texts)
        norms["text embedding"] = float(np.linalg.norm(read, axis=-1).mean())
        if names:
            gap = [(part / np.linalg.norm(part, axis=-1, keepdims=True)).mean(axis=0) for part in (vectors, read)]
            norms["modality gap"] = float(np.linalg.norm(gap[0] - gap[1]))
    if encoder.logit_scale is not None:
        norms["logit scale"] = encoder.logit_scale
    return norms
