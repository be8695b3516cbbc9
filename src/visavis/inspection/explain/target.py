"""What an explanation is asked to explain: one number that a network gives for an image.

The one idea: each such number is linear in the image's vector, or in its direction: a weight vector and a bias say all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.errors import UsageError, did_you_mean
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
    """What to explain of one model: the texts, if it reads; the classes, if it has some; without any, a choice of ours.

    That is a supervised model's own prediction, and for all others the image's own embedding.

    Args:
        encoder: The model.
        features: The image's vector, [1, embed_dim].
        texts: As asked for.
        classes: As asked for.

    Raises:
        UsageError: Nothing that was asked for can be asked of this model, or a class is unknown.
    """
    if not texts and not classes:
        return [own_embedding(features) if encoder.head is None else predicted(encoder, features)]
    if encoder.has_text and texts:
        return [of_text(encoder, text) for text in texts]
    if encoder.head is not None and classes:
        return [of_class(encoder, name) for name in classes]
    if texts and not encoder.has_text:
        instead = "Name one of its classes with --class" if encoder.head is not None else "Leave --text out"
        raise UsageError(f"{encoder.name!r} has no text tower, so it cannot be asked for a text. {instead}.")
    instead = 'Ask for a text: --text "a photo of a dog"' if encoder.has_text else "Leave --class out"
    raise UsageError(f"{encoder.name!r} has no classes of its own, so it cannot be asked for one. {instead}.")


def of_text(encoder: Encoder, text: str) -> Target:
    """The cosine with a text. Raises UsageError for an empty one, and for a model without a text tower."""
    if not text.strip():
        raise UsageError("The text to look for is empty. Say what to look for: --text 'a photo of a dog'.")
    (vector,) = encoder.encode_texts([text], normalize=True)
    return Target(
        name=f'text "{text}"', unit="cosine", vector=torch.from_numpy(vector), text=text, notes=_cut(encoder, text)
    )


def of_class(encoder: Encoder, name: str) -> Target:
    """The logit of a supervised model's class, by its name or its number, counted from 0.

    The mean over all classes is subtracted: softmax takes no notice of it, and where it moves, all classes do. Raises
    UsageError for a class that the model does not know, with the nearest names.
    """
    if encoder.head is None:
        raise UsageError(f"{encoder.name!r} has no classes of its own. Ask for a text if it has a text tower.")
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
    number = int((features.numpy() @ weight.T + bias).argmax())
    target = _class_target(encoder, number)
    note = f"No class was asked for: {target.name.removeprefix('class ')!r} is the model's own prediction."
    return Target(**{**vars(target), "notes": (note,)})


def own_embedding(features: Tensor) -> Target:
    """The length of the image's vector [1, embed_dim], as its projection on the direction that it has."""
    note = "Nothing was asked for: shown is what the image's own embedding is made of."
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
    known = [other.casefold() for other in encoder.class_names or ()]
    if name.casefold() in known:
        return known.index(name.casefold())
    assert encoder.head is not None, "the caller has asked for a head"
    return int(name) if name.isdecimal() and int(name) < len(encoder.head[0]) else None


def _cut(encoder: Encoder, text: str) -> tuple[str, ...]:
    """A note where a text is longer than the model reads: it is, if its tokens are the same without its end."""
    words = text.split()
    shorter = " ".join(words[:-1]) if len(words) > 1 else text.strip()[:-1]
    tokens, without_end = encoder.tokenize([text, shorter])
    if not np.array_equal(tokens, without_end):
        return ()
    return (f"The text is longer than the {len(tokens)} tokens that {encoder.name!r} reads: its end is cut off.",)
