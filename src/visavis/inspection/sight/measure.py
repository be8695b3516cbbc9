"""All that is measured on one network: how far it sees, what it learnt first, what its parts are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.engine.pictures import ImageLike, as_picture
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.parts import ATTENTION
from visavis.inspection.anatomy.tree import Layer
from visavis.inspection.sight.attention_distance import Heard, attention_maps, heads_of, hear_attention
from visavis.inspection.sight.classifier import Classify, classifier_of
from visavis.inspection.sight.effective_field import effective_fields
from visavis.inspection.sight.first_layer import first_layer
from visavis.inspection.sight.norms import norms_of
from visavis.inspection.sight.positions import position_similarity
from visavis.inspection.sight.reaches import attention_reaches, effective_reaches, theoretical_reaches
from visavis.inspection.sight.records import Ablation, Sight
from visavis.inspection.sight.removals import MOST_IMAGES, Subject, affordable, removals_of
from visavis.inspection.sight.spread import spread_places
from visavis.inspection.sight.taps import find_taps
from visavis.inspection.sight.worth import worth
from visavis.progress import ShowProgress

ATTENTION_IMAGES = 128  # as in Dosovitskiy et al. 2021, figure 7
FIELD_IMAGES = 16
Rows = TypeVar("Rows", Sequence[Any], Tensor)
BATCH_SIZE = 8  # a layer of ViT-L/14 at 336 pixels holds 170 MB of attention weights for so many images


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What to measure on.

    Attributes:
        name: Of the data.
        samples: Images.
        shown: The one whose attention is shown.
        labels: What each sample shows, where that is known of all.
        templates: Prompts for the labels, where the data bring some.
    """

    name: str
    samples: Sequence[ImageLike]
    shown: ImageLike
    labels: Sequence[str] | None = None
    templates: Sequence[str] = ()

    @property
    def classes(self) -> list[str]:
        """All labels, sorted."""
        return sorted(set(self.labels or ()))


def measure(encoder: Encoder, pictures: Pictures, progress: ShowProgress) -> Sight:
    """Everything on one network; what cannot be measured on it is said in `notes`.

    Args:
        encoder: Any network.
        pictures: Of many, some are taken, spread evenly.
        progress: Called with a stage, how much of it is done, and how much it has.
    """

    def show(what: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(f"{what} of {encoder.name}", done, total)

    root = inspect(encoder).towers[0].root
    pixels = torch.stack([encoder.preprocess(image) for image in _spread(pictures.samples, MOST_IMAGES)])
    vectors = torch.cat([encoder.encode_pixels(batch) for batch in pixels.split(BATCH_SIZE)])
    taps = find_taps(encoder, root)
    heard = _attention(encoder, _spread(pixels, ATTENTION_IMAGES), show("attention"))
    fields = effective_fields(encoder, taps, _spread(pixels, FIELD_IMAGES), show("fields"))
    picture = encoder.preprocessing.pixels(as_picture(pictures.shown))
    subject = Subject(encoder=encoder, root=root, taps=taps, heads=heads_of(heard))
    parts, notes = _parts(subject, pixels, vectors, pictures, show("parts"))
    return Sight(
        model=encoder.name,
        image_size=encoder.image_size,
        n_images=len(_spread(pixels, ATTENTION_IMAGES)),
        data=pictures.name,
        reaches=(*theoretical_reaches(root, taps), *effective_reaches(taps, fields), *attention_reaches(root, heard)),
        first_layer=first_layer(encoder),
        positions=position_similarity(encoder.image_tower),
        picture=picture,
        attention=attention_maps(encoder, encoder.preprocess(picture)),
        norms=norms_of(encoder, vectors.numpy(), pictures.classes, pictures.templates),
        ablations=parts,
        notes=(*_unheard(root, heard), *notes),
    )


def _attention(encoder: Encoder, pixels: Tensor, progress: Callable[[int, int], None]) -> Heard:
    heard = Heard()
    batches = pixels.split(BATCH_SIZE)
    for number, batch in enumerate(batches):
        hear_attention(encoder, batch, heard)
        progress(number + 1, len(batches))
    return heard


def _unheard(root: Layer, heard: Heard) -> list[str]:
    if heard.unplaced:
        return [
            f"Attention of {len(heard.unplaced)} layers ({heard.unplaced[0]} the first) is not measured: it does not "
            "run among all patches of an image, as within windows."
        ]
    if not heard.layers and any(mark in layer.kind.lower() for layer in root.walk() for mark in ATTENTION):
        return ["Attention is not measured: the network computes it without PyTorch's scaled_dot_product_attention."]
    return []


def _parts(
    subject: Subject, pixels: Tensor, vectors: Tensor, pictures: Pictures, progress: Callable[[int, int], None]
) -> tuple[tuple[Ablation, ...], list[str]]:
    """What parts are worth, and on what that was measured and what could not be."""
    kinds = removals_of(subject)
    removals, images = affordable(kinds, subject.root.macs)
    pixels, vectors = _spread(pixels, images), _spread(vectors, images)
    if len(pixels) < 2 or not removals:
        reason = "no part of it can be taken away by itself" if len(pixels) > 1 else "that needs at least two images"
        return (), [f"What its parts are worth is not measured: {reason}."]
    right: Classify | None = None
    how = ""
    if pictures.labels is not None:
        labels = _spread(_spread(pictures.labels, MOST_IMAGES), images)
        right, how = classifier_of(subject.encoder, labels, pictures.classes, pictures.templates, vectors.numpy())
    found: list[Ablation] = []
    notes: list[str] = []
    for number, one in enumerate(worth(removals, pixels, vectors, right)):
        if isinstance(one, Ablation):
            found.append(one)
        else:
            notes.append(one)
        progress(number + 1, len(removals))
    left_out = sum(map(len, kinds)) - len(removals)
    notes.append(
        f"What its parts are worth is measured on {len(pixels)} images"
        + (f", accuracy by {how}" if how else "")
        + (f"; {left_out} other parts are left out, as the network is large." if left_out else ".")
    )
    return tuple(found), notes


def _spread(items: Rows, most: int) -> Rows:
    """At most so many of a sequence or of a tensor's rows, the first among them, spread evenly."""
    places = spread_places(len(items), most)
    return items[places] if isinstance(items, Tensor) else [items[place] for place in places]
