"""Images and what was written about them: which texts are right for which images, and which image finds its text.

An image may have several captions, and a caption may stand at several images: all of these are right. So are the
captions of an image for another file with the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from visavis.data.dataset import Dataset, Sample
from visavis.data.splits import groups_of_identical
from visavis.engine.encoder import Encoder
from visavis.errors import UsageError
from visavis.evaluate.retrieval import certainty, retrieve
from visavis.evaluate.scores import NotMeasurable
from visavis.study.evidence import noting_cuts


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """Images with captions, and every text once.

    Attributes:
        samples: The images.
        texts: All their captions.
        of_image: Places in `texts` that are right for each image.
        of_text: Places in `samples` that are right for each text.
    """

    samples: tuple[Sample, ...]
    texts: tuple[str, ...]
    of_image: tuple[np.ndarray, ...]
    of_text: tuple[np.ndarray, ...]


def captioned(samples: Sequence[Sample]) -> Captioned:
    """Those of the samples that have captions. Raises VisavisError where a file can no longer be read."""
    own = tuple(sample for sample in samples if sample.captions)
    place = {sample.id: number for number, sample in enumerate(own)}
    known: dict[str, int] = {}
    of_image: list[np.ndarray] = [np.empty(0, int)] * len(own)
    for copies in groups_of_identical(own):
        texts = [known.setdefault(_text(caption), len(known)) for sample in copies for caption in sample.captions]
        for sample in copies:
            of_image[place[sample.id]] = np.unique(texts)
    of_text: list[list[int]] = [[] for _ in known]
    for number, right in enumerate(of_image):
        for text in right:
            of_text[text].append(number)
    return Captioned(samples=own, texts=tuple(known), of_image=tuple(of_image), of_text=tuple(map(np.array, of_text)))


def require_choice(dataset: Dataset) -> None:
    """Finding a caption needs one that is wrong. To be called once the parts are known.

    Raises:
        UsageError: Every text is right for every image.
        VisavisError: A file can no longer be read.
    """
    known = captioned([sample for sample in dataset.samples if sample.part == "test"])
    if all(len(right) == len(known.texts) for right in known.of_image):
        texts = "1 text" if len(known.texts) == 1 else f"{len(known.texts)} texts"
        images = "1 image" if len(known.samples) == 1 else f"{len(known.samples)} images"
        raise UsageError(
            f"Without labels, images are asked which text is theirs, and {dataset.name!r} has {texts} for {images} to "
            "test on, each right for all, so any answer is right. Add images with captions of their own."
        )


def encode_captions(encoder: Encoder, texts: Sequence[str]) -> tuple[np.ndarray, dict[str, str]]:
    """Vectors float32 [texts, embed_dim], and a note of texts that were cut, as CLIP and its benchmarks cut them.

    Raises:
        NotMeasurable: The model reads no texts.
    """
    if not encoder.has_text:
        raise NotMeasurable(f"{encoder.name} has no text tower, so that no text finds an image with it.")
    return noting_cuts("captions", lambda: encoder.encode_texts(texts))


def caption_decisions(known: Captioned, encoder: Encoder, images: np.ndarray, texts: np.ndarray) -> pd.DataFrame:
    """Which caption each image finds first among all of them, as decisions.

    Args:
        known: The images and texts.
        encoder: Whose vectors they are.
        images: float32 [images, embed_dim].
        texts: float32 [texts, embed_dim].

    Returns:
        sample, label (the image's first caption), predicted (the text found, or that caption where it is right),
        confidence (its probability among all texts), rank (of the first right text).
    """
    found = retrieve(images, texts, known.of_image)
    labels = [_text(sample.captions[0]) for sample in known.samples]
    first = [known.texts[place] for place in found.first]
    return pd.DataFrame(
        {
            "sample": [sample.id for sample in known.samples],
            "label": labels,
            "predicted": np.where(found.rank == 1, labels, first),
            "confidence": certainty(images, texts, found.first, encoder.logit_scale or 1.0).astype(float),
            "rank": found.rank,
        }
    )


def _text(caption: str) -> str:
    """As it is compared: spaces tell no captions apart."""
    return " ".join(caption.split())
