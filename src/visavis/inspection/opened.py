"""Networks side by side on one page: their anatomy, and what those that have weights look at on given images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING

from visavis.inspection.anatomy.anatomy import inspect
from visavis.progress import ShowProgress

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder
    from visavis.inspection.sight.measure import Pictures
    from visavis.inspection.sight.records import Sight, Similarity

MOST_IMAGES = 1000  # of a data set that are looked at, spread evenly over it
BATCH_SIZE = 32  # of the minibatches in which layers are compared
SEED = 0  # of the shuffles that give their noise floor


def open_networks(
    names: Sequence[str], folder: Path, data: str | None, image: Path | None, progress: ShowProgress
) -> Path:
    """Writes index.html and anatomy.json into a folder.

    Args:
        names: Of models; those with weights are also measured, where there are images.
        folder: Where the page goes.
        data: A folder, a table or the name of an embedded set, to measure on.
        image: A picture whose attention is shown; the first of the data when None.
        progress: Called with a stage, how much of it is done, and how much it has.

    Returns:
        The page's path.

    Raises:
        UsageError: An unknown name, or data or an image that cannot be read.
        VisavisError: Weights cannot be had, or the page cannot be written.
    """
    from visavis.report.anatomy import write_page

    anatomies = []
    for number, name in enumerate(names):
        anatomies.append(inspect(name))
        progress("opening", number + 1, len(names))
    sights, similarities = _measure([name for name in names if has_weights(name)], data, image, progress)
    return write_page(anatomies, sights, similarities, folder)


def has_weights(name: str) -> bool:
    """Whether a name stands for weights, not for an architecture alone."""
    from visavis.engine.adapters import MODULES
    from visavis.zoo.catalogue import EMBEDDED
    from visavis.zoo.finding import SIZED, split_name
    from visavis.zoo.published import find_published

    sized = SIZED.fullmatch(name)
    if os.path.exists(split_name(name)[0]) or name in EMBEDDED or find_published(name) is not None:
        return True
    return has_weights(sized[1]) if sized else name.partition("/")[0] in MODULES and "/" in name


def _measure(
    names: Sequence[str], data: str | None, image: Path | None, progress: ShowProgress
) -> tuple[list[Sight], list[Similarity]]:
    """What each model sees, and how alike the layers of any two are; nothing without images."""
    if data is None and image is None:
        return [], []
    from visavis.engine.load import load
    from visavis.inspection.sight.cka import LEAST_IMAGES, compare_all
    from visavis.inspection.sight.measure import measure

    pictures = _pictures(data, image, progress)
    encoders: list[Encoder] = [load(name) for name in names]
    sights = [measure(encoder, pictures, progress) for encoder in encoders]
    if len(pictures.samples) < LEAST_IMAGES:
        return sights, []
    pairs = list(combinations_with_replacement(range(len(encoders)), 2))
    similarities = compare_all(
        encoders,
        pairs,
        pictures.samples,
        BATCH_SIZE,
        SEED,
        lambda done, total: progress("comparing layers", done, total),
    )
    return sights, similarities


def _pictures(data: str | None, image: Path | None, progress: ShowProgress) -> Pictures:
    """What to measure on: at most `MOST_IMAGES` of the data, with labels where all have one."""
    from visavis.engine.pictures import as_picture, read_picture
    from visavis.inspection.sight.measure import Pictures
    from visavis.inspection.sight.spread import spread_places

    shown = as_picture(image) if image is not None else None  # says now if it cannot be read
    if data is None:
        assert shown is not None, "the caller has one of both"
        return Pictures(name=str(image), samples=[shown], shown=shown)
    from visavis.data.read import read_dataset

    dataset = read_dataset(data, lambda done, total: progress("checking images", done, total))
    chosen = [dataset.samples[place] for place in spread_places(len(dataset.samples), MOST_IMAGES)]
    pictures = [sample.path if sample.path is not None else read_picture(sample) for sample in chosen]
    labels = [sample.label for sample in chosen if sample.label is not None]
    complete = labels if len(labels) == len(chosen) else None
    return Pictures(
        name=dataset.name,
        samples=pictures,
        shown=shown or pictures[0],
        labels=complete,
        templates=dataset.templates,
    )
