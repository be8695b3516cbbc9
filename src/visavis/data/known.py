"""What is known of the images of a data set, which decides what a study can ask of them."""

from __future__ import annotations

from typing import Literal

from visavis.data.dataset import Dataset

Known = Literal["class", "classes", "captions", "nothing"]


def known_of(dataset: Dataset) -> Known:
    """The most that all is asked by.

    "class" is each image's only class, "classes" any number of them an image, "captions" texts and no two classes, so
    that images and texts can only find each other.
    """
    if not dataset.classes and any(sample.labels is not None for sample in dataset.samples):
        return "classes"
    if len(dataset.classes) < 2 and any(sample.captions for sample in dataset.samples):
        return "captions"
    return "class" if dataset.classes else "nothing"
