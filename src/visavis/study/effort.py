"""How much a study looks at: what `--quick` and `--thorough` stand for."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace

from visavis.data.dataset import Dataset, Sample
from visavis.errors import UsageError, did_you_mean
from visavis.study.summary import UNCLASSED


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What is taken where the user names nothing else.

    Attributes:
        views: How the test images are shown.
        measures: Names of measures and chapters; all when empty.
        images: The most images of each part; None for all.
        timed: The most images that the models are timed on; None for as many as `measure_costs` takes.
        text: Whether text is looked for in the pictures.
    """

    views: tuple[str, ...] = ("clean",)
    measures: tuple[str, ...] = ()
    images: int | None = None
    timed: int | None = None
    text: bool = False


EFFORTS = {
    # With three models that encode 20 images a second, a minute: 3 x (2 x 150 images + 4 x 16 to time them) / 20.
    "quick": Effort(
        measures=("classifier", "zero_shot", "knn", *UNCLASSED, "retrieval", "agreement", "recommend"),
        images=150,
        timed=16,
    ),
    "usual": Effort(),
    # A view a question: colour, outline alone, texture alone, what is coarse, what is fine, parts, posture.
    "thorough": Effort(
        views=(
            "clean", "grayscale", "silhouette", "patch_shuffle:4", "low_pass:8", "high_pass:8", "occlusion:50",
            "rotate:15",
        ),
        text=True,
    ),
}  # fmt: skip


def effort_of(name: str) -> Effort:
    """The effort of that name. Raises UsageError where there is none."""
    if name not in EFFORTS:
        hint = did_you_mean(name, EFFORTS) or f"There are {', '.join(EFFORTS)}."
        raise UsageError(f"There is no effort {name!r}. {hint}")
    return EFFORTS[name]


def thin_out(dataset: Dataset, most: int, seed: int) -> Dataset:
    """At most so many images of each part, spread evenly over the classes; the same classes in both parts first.

    Classes stand in the order of a hash of (seed, name), images of a class in that of (seed, id). Each part takes the
    first image of every class in turn, then the second ones, until it has enough. So equal data and seed give equal
    images, in whatever order the files come.
    """
    turns: dict[tuple[str, str | None], list[Sample]] = defaultdict(list)
    for sample in sorted(dataset.samples, key=lambda sample: _order(seed, sample.id)):
        turns[sample.part, sample.label].append(sample)
    kept: set[str] = set()
    for part in {sample.part for sample in dataset.samples}:
        queue = [
            (turn, _order(seed, str(label)), sample.id)
            for (of, label), members in turns.items()
            if of == part
            for turn, sample in enumerate(members)
        ]
        kept |= {identity for _, _, identity in sorted(queue)[:most]}
    return replace(dataset, samples=tuple(sample for sample in dataset.samples if sample.id in kept))


def _order(seed: int, what: str) -> bytes:
    return hashlib.sha256(f"{seed}/{what}".encode("utf-8", "surrogatepass")).digest()
