"""The embedded emoji set: one concept drawn by five vendors in ten styles, 64 x 64 pixels on white.

Splits, made once and kept: OpenMoji is held out whole (its licence is share-alike and never touches the weights; its
line drawings ask for shape), and a fifth of the concepts is held out in every style. A picture that is pixel for
pixel that of another emoji has two right names and is left out.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pyarrow.parquet as pq

from visavis.data.dataset import Dataset, Sample, sample_id
from visavis.errors import UsageError, did_you_mean

TRAINING_STYLES = (
    "twemoji", "noto", "noto-blob", "fxemoji", "fluent-3d", "fluent-color", "fluent-flat", "fluent-contrast",
)  # fmt: skip
THINGS = ("animals-nature", "food-drink", "travel-places", "activities", "objects")
TEMPLATES = ("{}", "an emoji of {}")
SPLIT_SALT = "visavis emoji concepts, split 1"


@dataclass(frozen=True, kw_only=True)
class EmojiTask:
    """Which drawings make a data set.

    Attributes:
        about: One line for `visavis list` and the report.
        test: Styles of the test part.
        train: Styles of the training part.
        groups: Unicode groups of the concepts; empty for all.
        held_out: Whether the concepts are those that no embedded model was trained on.
    """

    about: str
    test: tuple[str, ...]
    train: tuple[str, ...]
    groups: tuple[str, ...] = ()
    held_out: bool = False


TASKS = {
    "emoji": EmojiTask(
        about="animals, food, places, activities and objects drawn by OpenMoji, a vendor held out of training",
        test=("openmoji-color",),
        train=("noto", "twemoji"),
        groups=THINGS,
    ),
    "emoji-outline": EmojiTask(
        about="the same concepts as OpenMoji's thin black outlines",
        test=("openmoji-black",),
        train=("noto", "twemoji"),
        groups=THINGS,
    ),
    "emoji-all": EmojiTask(
        about="all training concepts, faces, people, symbols and flags too, in OpenMoji's colour drawings",
        test=("openmoji-color",),
        train=("noto", "twemoji"),
    ),
    "emoji-all-outline": EmojiTask(
        about="all training concepts as OpenMoji's thin black outlines",
        test=("openmoji-black",),
        train=("noto", "twemoji"),
    ),
    "emoji-new": EmojiTask(
        about="concepts that no embedded model was trained on, in OpenMoji's colour drawings",
        test=("openmoji-color",),
        train=("noto", "twemoji"),
        held_out=True,
    ),
    "emoji-training": EmojiTask(
        about="what the embedded models were trained on: four fifths of the concepts, every vendor but OpenMoji",
        test=(),
        train=TRAINING_STYLES,
    ),
}


def read_emoji(name: str) -> Dataset:
    """One of the embedded data sets by its name. Raises UsageError with the nearest names."""
    if name not in TASKS:
        raise UsageError(f"Unknown embedded data set {name!r}. {did_you_mean(name, TASKS)}")
    task = TASKS[name]
    samples = [
        _sample(row, part)
        for part, styles in (("train", task.train), ("test", task.test))
        for style in styles
        for row in _rows(style)
        if is_held_out(row["codepoints"]) == task.held_out
        and (not task.groups or row["group"] in task.groups)
        and row["same_pixels_as"] is None
    ]
    if task.test:  # concepts that both parts show; a few are drawn by OpenMoji alone
        shown = [{sample.label for sample in samples if sample.part == part} for part in ("train", "test")]
        samples = [sample for sample in samples if sample.label in shown[0] & shown[1]]
    return Dataset(name=name, samples=tuple(samples), templates=TEMPLATES)


def is_held_out(codepoints: str) -> bool:
    """Whether a concept belongs to the fifth that no embedded model was trained on: decided by a salted hash."""
    digest = hashlib.sha256(f"{SPLIT_SALT}/{codepoints}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 5 == 0


def _sample(row: dict[str, Any], part: str) -> Sample:
    place = f"{row['style']}/{row['codepoints']}"
    keywords = ", ".join(row["keywords"])
    return Sample(
        id=sample_id(row["image"]["bytes"], place),
        name=place,
        data=row["image"]["bytes"],
        label=row["name"],
        captions=(row["name"], f"an emoji of {row['name']}", f"{row['name']}, {keywords}"),
        part=part,
    )


def _rows(style: str) -> Iterator[dict[str, Any]]:
    columns = ("image", "codepoints", "style", "name", "keywords", "group", "same_pixels_as")
    table = _table(style).select(columns)
    for batch in table.to_batches():
        yield from batch.to_pylist()


@functools.cache
def _table(style: str) -> Any:
    file = resources.files("visavis.data") / "emoji_set" / f"{style}.parquet"
    with resources.as_file(file) as path:
        return pq.read_table(path)
