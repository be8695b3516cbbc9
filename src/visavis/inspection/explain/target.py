"""What an explanation is asked to explain: one number that a network gives for an image.

The one idea: each such number is linear in the image's vector, or in its direction: a weight vector and a bias say all.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.errors import TextsCut, UsageError, did_you_mean
from visavis.inspection.explain.records import Unit


@dataclass(frozen=True, kw_only=True)
class Target:
    """A number that a network gives for an image.

    Attributes:
        name: In words.
        unit: "cosine" with a text; "logit" of a class, above the mean logit of all classes; "projection".
        vector: float32 [embed_dim].
        bias: Added in the end.
        text: The text itself, where there is one.
        notes: What the reader must know of it.
    """

    name: str
    unit: Unit
    vector: Tensor
    bias: float = 0.0
    text: str | None = None
    notes: tuple[str, ...] = ()

    def score(self, features: Tensor) -> Tensor:
        """Images' vectors [batch, embed_dim] to their scores [batch]."""
        if self.unit == "cosine":
            features = F.normalize(features, dim=-1)
        return features @ self.vector + self.bias


def choose_targets(encoder: Encoder, features: Tensor, texts: Sequence[str], classes: Sequence[str]) -> list[Target]:
    """What to explain of one model: the texts, if it reads; the classes, if it has some; else a choice of ours.

    That is a supervised model's own prediction, and for all others the image's own embedding.

    Args:
        encoder: The model.
        features: The image's vector, [1, embed_dim].
        texts: As asked for, of all models.
        classes: As asked for, of all models.

    Raises:
        UsageError: A class is unknown, or a text is empty.
    """
    if encoder.has_text and texts:
        return [of_text(encoder, text) for text in texts]
    if encoder.head is not None:
        return [of_class(encoder, name) for name in classes] or [predicted(encoder, features)]
    return [own_embedding(features)]


def check_answered(texts: Sequence[str], classes: Sequence[str], units: set[Unit]) -> None:
    """Raises UsageError for a question that no model could be asked, from the units of all their answers."""
    if texts and "cosine" not in units:
        raise UsageError(
            f"No model here has a text tower, so none can be asked for {texts[0]!r}. Add a CLIP model, or name a class "
            "of the others with --class."
        )
    if classes and "logit" not in units:
        raise UsageError(
            f"No model here has classes of its own, so none can be asked for {classes[0]!r}. Ask for it as a text: "
            f'--text "{classes[0]}".'
        )


def of_text(encoder: Encoder, text: str) -> Target:
    """The cosine with a text. Raises UsageError for an empty one, and for a model without a text tower."""
    if not text.strip():
        raise UsageError("The text to look for is empty. Say what to look for: --text 'a photo of a dog'.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextsCut)  # the note says it, on the page too
        (vector,) = encoder.encode_texts([text], normalize=True)
    return Target(
        name=f'text "{text}"', unit="cosine", vector=torch.from_numpy(vector), text=text, notes=_filled(encoder, text)
    )


def of_class(encoder: Encoder, name: str) -> Target:
    """The logit of a supervised model's class, by its name or its number, counted from 0.

    The mean over all classes is subtracted: softmax takes no notice of it, and where it moves, all classes do. Raises
    UsageError for a class that the model does not know, with the nearest names.
    """
    assert encoder.head is not None, "the caller has asked for a head"
    number, count = _number_of(encoder, name), len(encoder.head[0])
    if number is None:
        known = encoder.class_names
        hint = did_you_mean(name, known) if known else f"Its weights do not name them: give a number below {count}."
        raise UsageError(f"{encoder.name!r} has no class {name!r} among its {count}. {hint}")
    return _class_target(encoder, number)


def predicted(encoder: Encoder, features: Tensor) -> Target:
    """The logit of the class that a supervised model gives this image, from its vector [1, embed_dim]."""
    assert encoder.head is not None, "the caller has asked for a head"
    weight, bias = encoder.head
    target = _class_target(encoder, int((features.numpy() @ weight.T + bias).argmax()))
    note = f"No class was asked for: {target.name.removeprefix('class ')!r} is the model's own prediction."
    return replace(target, notes=(note,))


def own_embedding(features: Tensor) -> Target:
    """The length of the image's vector [1, embed_dim], as its projection on the direction that it has."""
    note = "Nothing was asked that it can answer: shown is what the image's own embedding is made of."
    return Target(name="own embedding", unit="projection", vector=F.normalize(features, dim=-1)[0], notes=(note,))


def _class_target(encoder: Encoder, number: int) -> Target:
    assert encoder.head is not None, "the caller has asked for a head"
    weight, bias = encoder.head
    name = encoder.class_names[number] if encoder.class_names else str(number)
    above = (weight[number] - weight.mean(axis=0)).astype(np.float32)
    return Target(
        name=f"class {name}",
        unit="logit",
        vector=torch.from_numpy(above),
        bias=float(bias[number] - bias.mean()),
    )


def _number_of(encoder: Encoder, name: str) -> int | None:
    assert encoder.head is not None, "the caller has asked for a head"
    numbers = [str(number) for number in range(len(encoder.head[0]))]
    for known in ([other.casefold() for other in encoder.class_names or ()], numbers):
        if name.casefold() in known:
            return known.index(name.casefold())
    return None


def _filled(encoder: Encoder, text: str) -> tuple[str, ...]:
    """A note where a text leaves no room: its tokens are the same with one more word behind it."""
    tokens, with_one_more = encoder.tokenize([text, f"{text} a"])
    if not np.array_equal(tokens, with_one_more):
        return ()
    return (f"The text fills all {len(tokens)} tokens that {encoder.name!r} reads: what goes beyond is cut off.",)
