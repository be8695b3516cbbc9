"""Training objectives."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(
    image_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, concepts: Tensor
) -> Tensor:
    """Symmetric cross-entropy over a batch of image-text pairs.

    Where several pairs of the batch show one concept (the same caption, or another drawing of the same thing), each is
    a right answer for the others: the target is spread evenly over them. With all different this is CLIP's loss.

    Args:
        image_embeddings: [batch, embed_dim], any length.
        text_embeddings: [batch, embed_dim], any length.
        logit_scale: Scalar, the inverse temperature, already exponentiated.
        concepts: int64 [batch], equal where the pairs show the same concept.

    Returns:
        Scalar: the mean of both directions. log(batch) is chance, where all concepts differ.

    Source: Radford et al. 2021, figure 3; for several positives Khosla et al. 2020, Supervised Contrastive Learning,
    equation 2.
    """
    images = F.normalize(image_embeddings.float(), dim=-1)
    texts = F.normalize(text_embeddings.float(), dim=-1)
    logits = logit_scale * images @ texts.T  # [images, texts]
    same = (concepts[:, None] == concepts[None, :]).to(logits.dtype)
    targets = same / same.sum(dim=1, keepdim=True)  # [batch, batch], symmetric: equal concepts have equal counts
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def label_loss(scores: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy of class scores [batch, classes] against int64 labels [batch]."""
    return F.cross_entropy(scores.float(), labels, label_smoothing=label_smoothing)
