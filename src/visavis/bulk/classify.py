"""`visavis classify`: names for images, chosen among labels that the user gives or that the model was trained on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from visavis.bulk.stream import Decoded, decode_entries, name_of
from visavis.data.dataset import Skipped
from visavis.data.listing import file_entry
from visavis.data.prompts import read_prompts
from visavis.engine.encoder import Encoder
from visavis.errors import UsageError, VisavisError, did_you_mean
from visavis.evaluate.classifier import own_classifier
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.zero_shot import zero_shot

BATCH = 32
OTHER = "other"
OUTPUTS = (".csv", ".json")

Judge = Callable[[np.ndarray], np.ndarray]  # vectors [images, embed_dim] -> probabilities [images, labels]


@dataclass(frozen=True, kw_only=True)
class Classified:
    """Names for images.

    Attributes:
        table: image, answer (the likeliest label, or "other"), rank, label, probability; the likeliest label first.
        skipped: Images that could not be read.
    """

    table: pd.DataFrame
    skipped: tuple[Skipped, ...]


def read_labels(text: str | None, file: Path | None) -> list[str] | None:
    """The labels of "a, b" and those of a file, one a line; None where neither is given.

    Quotes keep a comma: '"spray, for hair", b'.

    Raises:
        UsageError: The file cannot be read, there is no label in them, or one stands twice.
    """
    if text is None and file is None:
        return None
    labels = [label for row in csv.reader((text or "").splitlines(), skipinitialspace=True) for label in row]
    if file is not None:
        try:
            labels += file.read_text("utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise UsageError(f"Cannot read labels from {str(file)!r}: {error}. One label a line, in UTF-8.") from error
    labels = [label.strip() for label in labels if label.strip()]
    if not labels:
        raise UsageError("No label was given. Write them as in cat,dog or name a file with one label a line.")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise UsageError(f"The label {twice!r} stands twice among the labels. Give each once.")
    return labels


def classify(
    encoder: Encoder,
    images: Sequence[str],
    labels: Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
    other: float | None = None,
    top: int = 5,
) -> Classified:
    """Names for images, by zero-shot or by the classifier that a supervised model was trained with.

    Args:
        encoder: The model.
        images: Paths.
        labels: What is chosen from; of a supervised model all that it knows when None.
        templates: Prompts with {} for the label, for zero-shot; see `read_prompts`.
        other: The answer is "other" where the likeliest label has less than this probability.
        top: How many labels of each image the table holds.

    Raises:
        UsageError: The labels do not suit the model, or a value is impossible.
        VisavisError: Not one image can be read.
    """
    if not images:
        raise UsageError("No image was named. Give at least one path.")
    if other is not None and not 0 < other <= 1:
        raise UsageError(f"--other is a probability above 0, up to 1, not {other}.")
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}.")
    names, judge = _judge(encoder, labels, templates)
    rows: list[dict[str, object]] = []
    skipped: list[Skipped] = []
    stream = decode_entries((file_entry(Path(image), image) for image in images), encoder.preprocessing.pixels)
    while batch := list(islice(stream, BATCH)):
        skipped += [Skipped(name=name_of(one.found), reason=one.reason) for one in batch if one.pixels is None]
        usable = [one for one in batch if one.pixels is not None]
        if usable:
            for one, likely in zip(usable, judge(_encode(encoder, usable, len(images))), strict=True):
                rows += _rows(name_of(one.found), names, likely, other, top)
    if not rows:
        reasons = "; ".join(f"{one.name!r} is {one.reason}" for one in skipped[:3])
        raise VisavisError(f"None of the {len(skipped)} images can be read: {reasons}.")
    return Classified(table=pd.DataFrame(rows), skipped=tuple(skipped))


def _judge(
    encoder: Encoder, labels: Sequence[str] | None, templates: Sequence[str] | None
) -> tuple[Sequence[str], Judge]:
    """The labels, and what gives each its probability."""
    if encoder.has_text:
        if labels is None:
            raise UsageError(f"{encoder.name!r} reads any labels, so say which: --labels cat,dog.")
        classifier = encoder.zero_shot_classifier(labels, read_prompts(templates or ()) or None)
        scale = encoder.logit_scale or 1.0
        return labels, _told(encoder, lambda vectors: zero_shot(vectors, classifier, scale))
    if encoder.head is None:
        raise UsageError(f"{encoder.name!r} has neither a text tower nor a classifier of its own. Use one that has.")
    if templates:
        raise UsageError(f"{encoder.name!r} reads no prompts, so --template has no use. Leave it out.")
    weight, bias = encoder.head
    known = encoder.class_names or tuple(f"class {number}" for number in range(len(bias)))
    chosen = tuple(dict.fromkeys(known)) if labels is None else tuple(labels)
    folded = {name.casefold() for name in known}
    for name in chosen:
        if name.casefold() not in folded:
            raise UsageError(f"{encoder.name!r} was not trained on the label {name!r}. {did_you_mean(name, known)}")
    return chosen, _told(encoder, lambda vectors: own_classifier(vectors, weight, bias, known, chosen))


def _told(encoder: Encoder, judge: Judge) -> Judge:
    def tell(vectors: np.ndarray) -> np.ndarray:
        try:
            return judge(vectors)
        except NotMeasurable as error:
            raise VisavisError(f"{encoder.name!r} cannot tell: {error}") from error

    return tell


def _encode(encoder: Encoder, usable: Sequence[Decoded], n_images: int) -> np.ndarray:
    stack = np.stack([one.pixels for one in usable if one.pixels is not None])
    tensor = torch.from_numpy(encoder.preprocessing.normalise(stack))
    return encoder.open_engine(n_images, lambda most: tensor[:most]).encode(tensor).numpy()  # [images, embed_dim]


def _rows(
    image: str, names: Sequence[str], likely: np.ndarray, other: float | None, top: int
) -> list[dict[str, object]]:
    order = np.argsort(-likely, kind="stable")[:top]
    surest = float(likely[order[0]])
    answer = OTHER if other is not None and surest < other else names[order[0]]
    return [
        {"image": image, "answer": answer, "rank": rank, "label": names[column], "probability": float(likely[column])}
        for rank, column in enumerate(order, start=1)
    ]
