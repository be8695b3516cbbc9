"""Pictures that a search found, on one page: a file of its own that asks the network for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visavis.report import words
from visavis.report.frame import environment, frame
from visavis.report.pictures import data_uri


@dataclass(frozen=True, kw_only=True)
class Card:
    """One picture.

    Attributes:
        title: Its name.
        label: Its label, or None.
        picture: A JPEG, PNG or WebP; empty where the image is gone.
        rank: From 1.
        score: Cosine with what was looked for.
    """

    title: str
    label: str | None
    picture: bytes
    rank: int
    score: float


def render_sheet(
    cards: Sequence[Card], *, query: str, query_picture: bytes, model: str, data: str, n_images: int
) -> str:
    """The page.

    Args:
        cards: The most similar first.
        query: The text, or the name of the image that was looked for.
        query_picture: That image, empty for a text.
        model: The model's name.
        data: What was searched.
        n_images: How many images that were.
    """
    templates = environment()
    templates.filters.update(uri=data_uri, cosine=_cosine)
    return templates.get_template("contact_sheet.html").render(
        **frame(templates),
        cards=cards,
        query=query,
        query_picture=query_picture,
        model=model,
        data=data,
        n_images=n_images,
    )


def _cosine(score: float) -> str:
    return f"{score:.3f}".replace("-", words.MINUS)
