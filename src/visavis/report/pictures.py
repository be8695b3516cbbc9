"""The pictures on which models disagree, and what each model said of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.report.tables import in_order, main_run
from visavis.report.words import is_missing

if TYPE_CHECKING:
    import pandas as pd

SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"WEBP", 8, "image/webp"),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one model said of a picture; `right` is None where the picture has no label."""

    model: str
    predicted: str
    confidence: float
    right: bool | None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with the answers of one measure, in the order of the models.

    Attributes:
        uri: The image as a data: URI; empty where its bytes are no PNG, JPEG or WebP.
    """

    name: str
    label: str | None
    uri: str
    view: str
    measure: str
    answers: tuple[Answer, ...]


def disagreements(
    predictions: pd.DataFrame,
    thumbnails: pd.DataFrame,
    first: tuple[str, str],
    models: Sequence[str],
    limit: int,
) -> list[Picture]:
    """The thumbnails on which models disagree, the surest disagreements first, those under `first` before all others.

    A disagreement counts by the confidence of the surest right answer times that of the surest wrong one. Each picture
    is shown once: under `first`, a (view, measure), where its models disagree there, else where they do most surely;
    answers stand in the order of `models`.
    """
    if thumbnails.empty:
        return []
    shown = thumbnails.drop_duplicates("sample").set_index("sample")
    pictures = []
    for row in surest_disagreements(predictions[predictions["sample"].isin(shown.index)], first, limit).itertuples():
        thumbnail = shown.loc[row.sample]
        decisions = main_run(predictions, str(row.view), str(row.measure))
        pictures.append(
            Picture(
                name=str(thumbnail["name"]),
                label=None if is_missing(thumbnail["label"]) else str(thumbnail["label"]),
                uri=data_uri(thumbnail["image"]),
                view=str(row.view),
                measure=str(row.measure),
                answers=_answers(decisions[decisions["sample"] == row.sample], models),
            )
        )
    return pictures


def surest_disagreements(predictions: pd.DataFrame, first: tuple[str, str], limit: int) -> pd.DataFrame:
    """The samples on which models disagree most surely: sample, view, measure, weight, in the order they are shown.

    Those that disagree under `first`, a (view, measure), stand before all others; each sample stands once.
    """
    weights = disagreement(predictions).reset_index()
    weights["later"] = (weights["view"] != first[0]) | (weights["measure"] != first[1])
    weights = weights.sort_values(["later", "weight"], ascending=[True, False], kind="stable")
    return weights.drop_duplicates("sample").head(limit).drop(columns="later")


def disagreement(predictions: pd.DataFrame) -> pd.Series:
    """How surely models disagree, for each sample, view and measure in which some are right and some are wrong.

    Where a picture has no label, its surest answer stands for it. Unknown confidences count as 0.

    Returns:
        "weight" from 0 to 1, indexed by (sample, view, measure), in the order of the page's measures.
    """
    main = predictions[predictions["draw"] == 0]
    keys = ["sample", "view", "measure"]
    main = main.assign(confidence=main["confidence"].astype(float).fillna(0.0))
    surest = main.sort_values("confidence", ascending=False, kind="stable").groupby(keys)["predicted"].first()
    reference = main["label"].where(main["label"].notna(), main.join(surest.rename("surest"), on=keys)["surest"])
    main = main.assign(right=main["predicted"] == reference)
    sides = main.groupby([*keys, "right"])["confidence"].max().unstack("right")
    sides = sides.reindex(columns=[True, False]).dropna()
    weight = (sides[True] * sides[False]).rename("weight")
    place = {measure: number for number, measure in enumerate(in_order(main["measure"]))}
    return weight.iloc[weight.index.get_level_values("measure").map(place).argsort(kind="stable")]


def data_uri(image: object) -> str:
    """An encoded image as a data: URI; "" where the bytes are of no kind that browsers show."""
    data = bytes(image) if isinstance(image, (bytes, bytearray, memoryview)) else b""
    for signature, place, kind in SIGNATURES:
        if data[place : place + len(signature)] == signature:
            return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return ""


def _answers(decisions: pd.DataFrame, models: Sequence[str]) -> tuple[Answer, ...]:
    answers = (
        Answer(
            model=str(row["model"]),
            predicted=str(row["predicted"]),
            confidence=float("nan") if is_missing(row["confidence"]) else float(row["confidence"]),
            right=None if is_missing(row["label"]) else bool(row["predicted"] == row["label"]),
        )
        for row in decisions.to_dict("records")
    )
    return tuple(sorted(answers, key=lambda answer: models.index(answer.model)))
