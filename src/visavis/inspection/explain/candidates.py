"""What a network can call the drawings of the check: texts for a CLIP, its own classes for a supervised model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.errors import UsageError
from visavis.inspection.explain.records import Unit


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Several targets at once.

    Attributes:
        names: What they are called.
        named: Whether `names` are those of the drawings; else they are a supervised model's classes of other things.
        unit: Of their scores.
        vectors: float32 [candidates, embed_dim].
        biases: float32 [candidates].
        scale: By which scores are multiplied before softmax.
    """

    names: tuple[str, ...]
    named: bool
    unit: Unit
    vectors: Tensor
    biases: Tensor
    scale: float

    def scores(self, features: Tensor) -> Tensor:
        """Images' vectors [batch, embed_dim] to all candidates' scores, [batch, candidates]."""
        if self.unit == "cosine":
            features = F.normalize(features, dim=-1)
        return features @ self.vectors.T + self.biases

    def score(self, features: Tensor, asked: Tensor) -> Tensor:
        """Images' vectors [batch, embed_dim] to the scores of one candidate each, of the numbers `asked`: [batch]."""
        return self.scores(features).gather(1, asked[:, None])[:, 0]

    def probability(self, features: Tensor, number: int) -> Tensor:
        """Of one candidate among all, [batch]."""
        return (self.scale * self.scores(features)).softmax(dim=-1)[:, number]

    def shuffled(self, seed: int) -> Candidates:
        """The same names for vectors whose numbers stand in a random order, each vector in its own."""
        generator = torch.Generator().manual_seed(seed)
        orders = torch.rand(self.vectors.shape, generator=generator).argsort(dim=1)
        return replace(self, vectors=self.vectors.gather(1, orders))

    def called(self, number: int) -> str:
        """One of them, as an explanation's target."""
        return f"{'text' if self.unit == 'cosine' else 'class'} {self.names[number]}"


def candidates_of(encoder: Encoder, names: Sequence[str], templates: Sequence[str]) -> Candidates:
    """What a network can call drawings with these names.

    Raises:
        UsageError: It has neither texts nor classes.
    """
    if encoder.has_text:
        vectors = torch.from_numpy(encoder.zero_shot_classifier(names, templates))
        return Candidates(
            names=tuple(names),
            named=True,
            unit="cosine",
            vectors=vectors,
            biases=torch.zeros(len(vectors)),
            scale=encoder.logit_scale or 1.0,
        )
    if encoder.head is None:
        raise UsageError(f"{encoder.name!r} has neither a text tower nor classes, so its maps cannot be tested.")
    weight, bias = encoder.head
    classes = encoder.class_names or tuple(map(str, range(len(weight))))
    number_of = {name: number for number, name in enumerate(classes)}
    named = set(names) <= set(number_of)
    chosen = np.array([number_of[name] for name in names] if named else range(len(weight)))
    return Candidates(
        names=tuple(classes[number] for number in chosen),
        named=named,
        unit="logit",
        vectors=torch.from_numpy((weight[chosen] - weight.mean(axis=0)).astype(np.float32)),
        biases=torch.from_numpy((bias[chosen] - bias.mean()).astype(np.float32)),
        scale=1.0,
    )
