"""What a measure is given and what it answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.errors import TextsCut
from visavis.progress import ShowProgress

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The images themselves, as the model wants them, for measures that change the network.

    Attributes:
        train: Those of the training part, decoded anew at each call: uint8 batches [batch, side, side, 3].
        test: Those of the test part, in the order of `Evidence.test_features`.
        progress: Called with stage, done and total.
    """

    train: Callable[[], Iterator[np.ndarray]]
    test: Callable[[], Iterator[np.ndarray]]
    progress: ShowProgress


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a measure sees of one model and one view.

    Attributes:
        encoder: The model, for its text tower or head.
        classes: The data's class names, in the order of all scores.
        prompt_names: The same names as they stand in prompts.
        templates: Prompts with {} for a name.
        train_features: Of the training part, before a CLIP's projection: float32 [train images, feature_dim].
        train_labels: Class names [train images].
        test_features: Of the test part under the view, float32 [test images, feature_dim].
        seed: Of the folds.
        pictures: Where a measure may change the network.
        kept: What one measure keeps for another, such as a network that was trained.
    """

    encoder: Encoder
    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    templates: tuple[str, ...]
    train_features: np.ndarray
    train_labels: tuple[str, ...]
    test_features: np.ndarray
    seed: int
    pictures: Pictures | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def train(self) -> np.ndarray:
        """Vectors of the training part, float32 [train images, embed_dim]."""
        return self.encoder.project(self.train_features)

    @cached_property
    def test(self) -> np.ndarray:
        """Vectors of the test part under the view, float32 [test images, embed_dim]."""
        return self.encoder.project(self.test_features)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A measure's answer: probabilities [test images, classes] and the settings that were chosen on the way."""

    probabilities: np.ndarray
    chosen: dict[str, Any]


def noting_cuts(what: str, encode: Callable[[], np.ndarray]) -> tuple[np.ndarray, dict[str, str]]:
    """Texts as vectors, and a note for the report if some were longer than the model reads."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TextsCut)
        vectors = encode()
    cut = [str(one.message) for one in said if issubclass(one.category, TextsCut)]
    return vectors, {what: cut[0]} if cut else {}
