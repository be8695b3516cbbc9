"""`visavis search`: which images are nearest to a text or to another image?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from visavis.bulk.collection import Collection, open_collection
from visavis.bulk.job import OnProgress
from visavis.bulk.nearest import nearest
from visavis.bulk.originals import read_originals, thumbnail
from visavis.bulk.tables import check_out, write_text
from visavis.data.decoding import UnreadableImage
from visavis.data.views import parse_view
from visavis.engine.encoder import Encoder
from visavis.engine.pictures import as_picture
from visavis.errors import UsageError, VisavisError
from visavis.report.contact_sheet import Card, render_sheet

OUTPUTS = (".html", ".csv", ".json")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An image that was found; `score` is its cosine with the query, `rank` starts at 1."""

    rank: int
    score: float
    name: str
    label: str | None
    id: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found.

    Attributes:
        model: The model's name.
        text: What was looked for, or None.
        image: The image that was looked for, or None.
        data: Where.
        n_images: Among how many.
        hits: The nearest first.
        about: What the embeddings say of themselves.
    """

    model: str
    text: str | None
    image: Path | None
    data: str
    n_images: int
    hits: tuple[Hit, ...]
    about: dict[str, Any]


def search(
    encoder: Encoder,
    data: str,
    text: str | None = None,
    image: Path | None = None,
    top: int = 20,
    on_progress: OnProgress = lambda *_: None,
) -> Found:
    """The images nearest to a text or an image.

    Raises:
        UsageError: Neither or both are given, the model reads no text, or the embeddings are another model's.
        VisavisError: The image or the data cannot be read.
    """
    if (text is None) == (image is None):
        raise UsageError('Say what to look for: either a text, such as "a red car", or --image FILE.')
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}.")
    if text is not None and not encoder.has_text:
        encoder.tokenize([text])  # says why not, before any image is embedded
    picture = None if image is None else _picture(image)
    collection = open_collection(encoder, data, on_progress)
    query = _encode_query(encoder, collection, text, picture)
    numbers, scores = nearest(collection.blocks, query, top)
    hits = tuple(
        Hit(rank=rank, score=float(score), **row)
        for rank, (score, row) in enumerate(zip(scores, collection.rows(numbers), strict=True), start=1)
    )
    return Found(
        model=encoder.name,
        text=text,
        image=image,
        data=data,
        n_images=len(collection.table),
        hits=hits,
        about=collection.about,
    )


def _picture(image: Path) -> Image.Image:
    try:
        return as_picture(image)
    except UnreadableImage as error:
        raise VisavisError(f"The image to look for cannot be read: {error}.") from error


def _encode_query(
    encoder: Encoder, collection: Collection, text: str | None, picture: Image.Image | None
) -> np.ndarray:
    """A text, or a picture as the view of the embeddings shows it: float32 [embed_dim], of length 1."""
    if picture is None:
        return encoder.encode_texts([text or ""], normalize=True)[0]
    return encoder.encode_images([parse_view(collection.about["view"]).apply(picture)], normalize=True)[0]


def write_found(found: Found, out: Path) -> Path:
    """Writes what was found as a contact sheet (.html), .csv or .json, whole or not at all.

    Raises:
        UsageError: The name ends otherwise.
        VisavisError: The file cannot be written.
    """
    check_out(out, OUTPUTS)
    if out.suffix == ".html":
        return write_text(out, _sheet(found))
    table = pd.DataFrame([asdict(hit) for hit in found.hits])
    about = {"model": found.model, "text": found.text, "image": None if found.image is None else str(found.image)}
    return write_text(out, table, {**about, "data": found.data, "images": found.n_images})


def _sheet(found: Found) -> str:
    originals = read_originals(found.about["source"], {hit.name: hit.id for hit in found.hits})
    cards = [
        Card(
            title=hit.name, label=hit.label, picture=thumbnail(originals.get(hit.name)), rank=hit.rank, score=hit.score
        )
        for hit in found.hits
    ]
    asked = thumbnail(found.image.read_bytes()) if found.image else b""
    return render_sheet(
        cards,
        query=found.text if found.text is not None else str(found.image),
        query_picture=asked,
        model=found.model,
        data=found.data,
        n_images=found.n_images,
    )
