"""What all methods are tested on: drawings of the embedded emoji set, alone and two by two."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visavis.data.emoji import TEMPLATES, read_emoji
from visavis.engine.encoder import Encoder
from visavis.inspection.explain.candidates import Candidates, candidates_of
from visavis.inspection.explain.composition import Composition, compose
from visavis.inspection.explain.maps import Mapper

MOST_DRAWN = 20  # pairs drawn for each that is kept
STYLE = "noto"
BATCH_PIXELS = 64 * 64 * 64  # that pass a network at once: a large one's attention weights fill gigabytes

Maps = Callable[[np.ndarray, np.ndarray], Tensor]
"""Pictures uint8 [images, side, side, 3] and what each is asked for, int [images], to maps [images, rows, columns]."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The same images for all methods, asked for the same things.

    Attributes:
        candidates: What can be asked for.
        composed: Images of two things, one of which is asked for.
        asked: The candidate that it is, int [composed].
        drawn: How many were composed to find these.
        pictures: Single drawings, uint8 [pictures, side, side, 3].
        taken_for: The candidate that the network takes each for, int [pictures].
        seed: Of pairs, places and choices.
    """

    candidates: Candidates
    composed: tuple[Composition, ...]
    asked: np.ndarray
    drawn: int
    pictures: np.ndarray
    taken_for: np.ndarray
    seed: int


def gather_material(encoder: Encoder, images: int, seed: int) -> Material:
    """So many composed images of things that a network recognises, and half as many pictures.

    Raises:
        UsageError: The network can call nothing by a name.
    """
    names, drawings = _drawings()
    candidates, side = candidates_of(encoder, names, TEMPLATES), encoder.image_size
    composed: list[Composition] = []
    asked: list[int] = []
    drawn = 0
    every = islice(compose(drawings, side, seed), MOST_DRAWN * images)
    for composition, number in _with_answers(encoder, candidates, every):
        drawn += 1
        if number is not None:
            composed.append(composition)
            asked.append(number)
        if len(composed) == images:
            break
    chosen = np.random.default_rng(seed).choice(len(drawings), images // 2, replace=False)
    resized = [drawings[number].resize((side, side), Image.Resampling.BICUBIC) for number in chosen]
    pictures = np.stack([np.asarray(picture) for picture in resized])
    return Material(
        candidates=candidates,
        composed=tuple(composed),
        asked=np.array(asked, np.int64),
        drawn=drawn,
        pictures=pictures,
        taken_for=_taken_for(encoder, candidates, pictures),
        seed=seed,
    )


def maps_by(mapper: Mapper, encoder: Encoder, candidates: Candidates) -> Maps:
    """A method's maps of a network, of many pictures at once."""

    def maps(pictures: np.ndarray, asked: np.ndarray) -> Tensor:
        made = []
        for part in _parts(len(pictures), encoder.image_size):
            score = functools.partial(candidates.score, asked=torch.from_numpy(asked[part]))
            made.append(mapper(as_pixels(encoder, pictures[part]), score))
        return torch.cat(made)

    return maps


def as_pixels(encoder: Encoder, pictures: np.ndarray) -> Tensor:
    """Pictures uint8 [images, side, side, 3] as a network wants them, float32 [images, 3, side, side]."""
    return torch.from_numpy(encoder.preprocessing.normalise(pictures))


@functools.cache
def _drawings() -> tuple[tuple[str, ...], tuple[Image.Image, ...]]:
    """Names and pictures of one vendor's drawings of things, in the order of the set."""
    samples = [one for one in read_emoji("emoji").samples if one.part == "train" and one.name.startswith(f"{STYLE}/")]
    pictures = [Image.open(io.BytesIO(sample.read_bytes())).convert("RGB") for sample in samples]
    return tuple(str(sample.label) for sample in samples), tuple(pictures)


def _with_answers(
    encoder: Encoder, candidates: Candidates, every: Iterator[Composition]
) -> Iterator[tuple[Composition, int | None]]:
    """Compositions with the candidate that is asked for: what the network calls the thing alone in its place.

    None where it is wrong, since a map cannot find what the network does not know. Where its classes are of other
    things, any answer counts that it does not give to the other thing too.
    """
    while some := list(islice(every, 64)):
        called = _taken_for(encoder, candidates, np.stack([one.asked_alone for one in some]))
        wrong = _taken_for(encoder, candidates, np.stack([one.other_alone for one in some]))
        for one, number, other in zip(some, called.tolist(), wrong.tolist(), strict=True):
            known = number == one.asked if candidates.named else number != other
            yield one, number if known else None


def _taken_for(encoder: Encoder, candidates: Candidates, pictures: np.ndarray) -> np.ndarray:
    """The candidate with the highest score of each picture, int [pictures]."""
    found = [
        candidates.scores(encoder.encode_pixels(as_pixels(encoder, pictures[part]))).argmax(dim=1).numpy()
        for part in _parts(len(pictures), encoder.image_size)
    ]
    return np.concatenate(found)


def _parts(images: int, side: int) -> list[slice]:
    at_once = max(1, BATCH_PIXELS // side**2)
    return [slice(start, start + at_once) for start in range(0, images, at_once)]
