"""Which pictures are shown and in which order, on four samples worked out by hand."""

from __future__ import annotations

import base64
import math

import pandas as pd
import pytest

from visavis.report.pictures import data_uri, disagreement, disagreements

FIRST = ("clean", "naming")
PNG = b"\x89PNG\r\n\x1a\n rest"


def table(rows: list[tuple[str, str, str, str | None, str, float]]) -> pd.DataFrame:
    """Predictions of (sample, model, measure, label, predicted, confidence)."""
    columns = ["sample", "model", "measure", "label", "predicted", "confidence"]
    return pd.DataFrame(rows, columns=columns).assign(view="clean", draw=0)


def thumbnails(*samples: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"sample": samples, "name": [f"{s}.png" for s in samples], "label": "cat", "image": [PNG] * len(samples)}
    )


PREDICTIONS = table(
    [
        ("s1", "A", "naming", "cat", "cat", 0.9), ("s1", "B", "naming", "cat", "dog", 0.5),  # 0.9 x 0.5
        ("s2", "A", "naming", "cat", "cat", 0.8), ("s2", "B", "naming", "cat", "dog", 0.8),  # 0.8 x 0.8
        ("s3", "A", "naming", "cat", "cat", 0.9), ("s3", "B", "naming", "cat", "cat", 0.9),  # both right
        ("s3", "A", "knn", "cat", "cat", 1.0), ("s3", "B", "knn", "cat", "dog", 1.0),  # 1, by another measure
        ("s4", "A", "naming", "cat", "fox", 0.9), ("s4", "B", "naming", "cat", "dog", 0.9),  # both wrong
    ]
)  # fmt: skip


def test_weight_is_the_surest_right_answer_times_the_surest_wrong_one() -> None:
    weights = disagreement(PREDICTIONS)
    assert dict(weights) == pytest.approx(
        {("s1", "clean", "naming"): 0.45, ("s2", "clean", "naming"): 0.64, ("s3", "clean", "knn"): 1.0}
    )


def test_surest_first_and_other_measures_last() -> None:
    pictures = disagreements(PREDICTIONS, thumbnails("s1", "s2", "s3", "s4"), FIRST, ["B", "A"], limit=24)
    assert [(picture.name, picture.measure) for picture in pictures] == [
        ("s2.png", "naming"), ("s1.png", "naming"), ("s3.png", "knn"),
    ]  # fmt: skip
    assert [(answer.model, answer.predicted, answer.right) for answer in pictures[0].answers] == [
        ("B", "dog", False), ("A", "cat", True),
    ]  # fmt: skip
    assert len(disagreements(PREDICTIONS, thumbnails("s1", "s2"), FIRST, ["A", "B"], limit=1)) == 1


def test_another_view_never_comes_before_the_first() -> None:
    gray = table([("s9", "A", "naming", "cat", "cat", 1.0), ("s9", "B", "naming", "cat", "dog", 1.0)])
    both = pd.concat([gray.assign(view="grayscale"), PREDICTIONS, gray.assign(sample="s1", view="grayscale")])
    pictures = disagreements(both, thumbnails("s1", "s9"), FIRST, ["A", "B"], limit=24)
    assert [(picture.name, picture.view) for picture in pictures] == [("s1.png", "clean"), ("s9.png", "grayscale")]


def test_only_pictures_of_the_thumbnails() -> None:
    assert [p.name for p in disagreements(PREDICTIONS, thumbnails("s1"), FIRST, ["A", "B"], limit=24)] == ["s1.png"]
    assert disagreements(PREDICTIONS, thumbnails(), FIRST, ["A", "B"], limit=24) == []


def test_repeats_are_not_shown() -> None:
    repeats = PREDICTIONS.assign(draw=1)
    assert disagreements(repeats, thumbnails("s1"), FIRST, ["A", "B"], limit=24) == []


def test_without_a_label_the_surest_answer_stands_for_it() -> None:
    rows = table([("s1", "A", "naming", None, "cat", 0.9), ("s1", "B", "naming", None, "dog", 0.5)])
    (picture,) = disagreements(rows, thumbnails("s1").assign(label=None), FIRST, ["A", "B"], limit=24)
    assert picture.label is None
    assert [answer.right for answer in picture.answers] == [None, None]


def test_unknown_confidences_count_as_none() -> None:
    rows = PREDICTIONS.assign(confidence=math.nan)
    pictures = disagreements(rows, thumbnails("s1"), FIRST, ["A", "B"], limit=24)
    assert math.isnan(pictures[0].answers[0].confidence)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp")],
)
def test_data_uri_knows_the_kind(data: bytes, kind: str) -> None:
    assert data_uri(data) == f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("data", [b"", b"<svg onload=alert(1)>", b"<html>", None, "text"])
def test_data_uri_of_anything_else_is_empty(data: object) -> None:
    assert data_uri(data) == ""
