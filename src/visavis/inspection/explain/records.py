"""What an explanation shows, as plain data that a picture and a page can draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Method = Literal["grad_cam", "rollout", "relevance", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)
Unit = Literal["cosine", "logit", "projection"]


@dataclass(frozen=True, kw_only=True)
class Saliency:
    """Where in one image one network finds what it is asked for.

    Attributes:
        model: The network's name.
        method: What made the map.
        target: What was asked for, in words: 'text "a dog"', "class dog", "own embedding".
        score: What the network says of it.
        unit: Of `score`: "cosine" with a text, "logit" of a class, "projection" of the image's vector on its own
            direction, which is its length.
        map: Relevance of each pixel of the preprocessed image, float32 [side, side]; above 0 speaks for the target.
            Maps of different methods and models have different units: only their shapes compare.
        picture: The preprocessed image, uint8 [side, side, 3].
        words: Of a text, its words with their relevance; empty where there is none.
        notes: What the reader must know besides.
    """

    model: str
    method: Method
    target: str
    score: float
    unit: Unit
    map: np.ndarray
    picture: np.ndarray
    words: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()


TestName = Literal["localisation", "randomisation", "deletion", "insertion"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One test of one method on one model.

    Attributes:
        test: Which.
        value: What was measured, the mean over images; not a number where it could not be.
        low, high: Its 95% interval, by bootstrap over images.
        n: Images.
        limit: Where passing ends.
        passes: Whether the whole interval lies on the good side of the limit; None where nothing was measured.
        said: What else there is to know, or why nothing was measured.
    """

    test: TestName
    value: float
    low: float
    high: float
    n: int
    limit: float
    passes: bool | None
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How far one method's maps of one model can be believed.

    Attributes:
        model: The network's name.
        method: Of the maps.
        trials: One for each test.
        randomised: Mean rank correlation with the network's own maps after each step of the randomisation: of the
            target alone, then from the top.
        shares: Of the pixels taken away or put in, where the four curves have their points.
        curves: Mean probability at `shares`: "deletion" and "insertion" in the map's order, "random deletion" and
            "random insertion" in one that knows nothing.
        examples: Some of the composed images with their maps; `Saliency.notes` says where the asked thing is.
    """

    model: str
    method: Method
    trials: tuple[Trial, ...]
    randomised: tuple[float, ...]
    shares: tuple[float, ...]
    curves: dict[str, tuple[float, ...]]
    examples: tuple[Saliency, ...]

    @property
    def passes(self) -> bool | None:
        """Whether it passes all tests; None where it fails none and some could not be made."""
        verdicts = [trial.passes for trial in self.trials]
        return False if False in verdicts else None if None in verdicts else True
