"""A network taken apart into what an encoder needs, so that everything above asks one thing of every library."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visavis.engine.texts import encode_tokens
from visavis.errors import TextsCut
from visavis.models.clip import CLIP
from visavis.models.resnet import ResNet
from visavis.zoo.architectures import Family, family_of, outline_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.tokenizer import Tokenizer

Head = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class TextTower:
    """What turns texts into the images' space.

    Attributes:
        tokenize: Texts to int64 [texts, context_length].
        encode: Tokens int64 [texts, context_length] to vectors [texts, embed_dim], module by module.
        logit_scale: The inverse temperature that was learned, as a factor.
        encode_many: The same vectors up to rounding, quicker for many texts; None where there is no such way.
        truncated: Which texts `tokenize` cuts; None where the tokenizer cannot tell.
    """

    tokenize: Callable[[Sequence[str]], np.ndarray]
    encode: Callable[[Tensor], Tensor]
    logit_scale: float
    encode_many: Callable[[Tensor], Tensor] | None = None
    truncated: Callable[[Sequence[str]], list[bool]] | None = None

    def warn_of_cut(self, texts: Sequence[str], tokens: Tensor) -> None:
        """Warns with `TextsCut` of texts that are longer than their tokens [texts, context_length]."""
        full = tokens[:, -1].nonzero().flatten().tolist()  # a text that fills its row may have gone on
        if not full or self.truncated is None:
            return
        cut = list(compress(full, self.truncated([texts[number] for number in full])))
        if cut:
            message = (
                f"{len(cut)} of {len(texts)} texts are longer than {tokens.shape[1]} tokens and are cut there, as CLIP "
                f"does. The first of them begins with {texts[cut[0]][:40]!r}."
            )
            warnings.warn(message, TextsCut, stacklevel=3)


@dataclass(frozen=True, kw_only=True)
class Projection:
    """The linear map at the end of a CLIP's image tower, and what it reads.

    Attributes:
        features: Preprocessed images [batch, 3, side, side] to what the map reads, [batch, feature_dim].
        apply: Features [batch, feature_dim] to vectors [batch, embed_dim].
        feature_dim: Length of the features.
    """

    features: Callable[[Tensor], Tensor]
    apply: Callable[[Tensor], Tensor]
    feature_dim: int


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One network, whoever built it.

    Attributes:
        model: All of it, in evaluation mode.
        image_tower: The part that images pass through, for counting.
        encode_image: Preprocessed images [batch, 3, side, side] to vectors [batch, embed_dim].
        preprocess: What the weights demand of images.
        family: Its corner of {ResNet, ViT} x {labels, language}, or its place outside.
        settings: All that changes its vectors besides weights and preprocessing, in words.
        embed_dim: Length of an image's vector.
        projection: What makes the vectors of features; None where nobody projects them, or it cannot be told.
        text: None for a network without a text tower.
        head: A supervised head's weight float32 [classes, embed_dim] and bias float32 [classes].
        class_names: What the head tells apart, where that is known.
        about: Origin, data, licence.
    """

    model: nn.Module
    image_tower: nn.Module
    encode_image: Callable[[Tensor], Tensor]
    preprocess: Preprocess
    family: Family
    settings: str
    embed_dim: int
    projection: Projection | None = None
    text: TextTower | None = None
    head: Head | None = None
    class_names: tuple[str, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)


def parts_of(checkpoint: Checkpoint) -> Parts:
    """The network that a checkpoint describes, with its weights; it takes the tensors and copies none."""
    model = outline_model(checkpoint.config)
    model.load_state_dict(checkpoint.state, strict=True, assign=True)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    model.eval().requires_grad_(False)
    head, text, projection = None, None, None
    if isinstance(model, CLIP):
        settings, visual = model.config.text, model.visual
        projection = Projection(
            features=visual.features, apply=visual.project, feature_dim=model.config.visual.feature_dim
        )
        tokenizer = Tokenizer(vocab_size=settings.vocab_size, context_length=settings.context_length)
        scale = float(model.logit_scale.exp())
        text = TextTower(
            tokenize=tokenizer,
            encode=partial(_up_to_the_end, model.encode_text),
            logit_scale=scale,
            encode_many=partial(encode_tokens, model.text),
            truncated=tokenizer.truncated,
        )
    else:
        last = model.fc if isinstance(model, ResNet) else model.head
        head = (last.weight.numpy(), last.bias.numpy()) if isinstance(last, nn.Linear) else None
    return Parts(
        model=model,
        image_tower=model.visual if isinstance(model, CLIP) else model,
        encode_image=model.encode_image if isinstance(model, CLIP) else model.features,
        preprocess=checkpoint.preprocess,
        family=family_of(checkpoint.config),
        settings=repr(checkpoint.config),
        embed_dim=checkpoint.config.embed_dim,
        projection=projection,
        text=text,
        head=head,
        class_names=checkpoint.class_names,
        about=checkpoint.about,
    )


def _up_to_the_end(encode: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """CLIP reads its vector where the end token stands, the highest of all, and columns after it change nothing."""
    longest = int(tokens.argmax(dim=1).max()) + 1
    return encode(tokens[:, :longest])
