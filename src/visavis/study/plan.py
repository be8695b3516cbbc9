"""What a study compares, checked before any work starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.data.dataset import Dataset, Sample
from visavis.data.known import Known, known_of
from visavis.study.measures import ON_REQUEST
from visavis.study.pairs import MARGIN

if TYPE_CHECKING:
    from visavis.data.views import View
    from visavis.engine.encoder import Encoder
    from visavis.zoo.preprocess import Crop


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Models, data and how they meet.

    Attributes:
        encoders: The models.
        dataset: The images, in their parts.
        classes: The data's class names, in the order of all scores; empty where there are captions
            alone, several classes an image, or no labels.
        given: Class names that the user gave for images without labels.
        views: How the test images are shown; the first is the one that chapters look through.
        templates: Prompts with {} for a name.
        seed: Of the split, the folds, the draws and the bootstrap.
        measures: Names of the measures and chapters that were asked for; empty for all but `ON_REQUEST`.
        others: Images of another kind, which a model should notice; empty where none were given.
        margin: A difference in accuracy that makes none, a fraction.
        crop: Which part of an image the models see, as in `load`.
        text: Whether text is looked for in the pictures.
    """

    encoders: tuple[Encoder, ...]
    dataset: Dataset
    classes: tuple[str, ...]
    views: tuple[View, ...]
    templates: tuple[str, ...]
    seed: int
    given: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    others: tuple[Sample, ...] = ()
    margin: float = MARGIN
    crop: Crop = "own"
    text: bool = False

    def part(self, name: str) -> tuple[Sample, ...]:
        """The samples of "train" or "test"."""
        return tuple(sample for sample in self.dataset.samples if sample.part == name)

    def wants(self, measure: str) -> bool:
        """Whether a measure or chapter is to be taken."""
        return measure in self.measures if self.measures else measure not in ON_REQUEST

    @property
    def known(self) -> Known:
        """What is known of the images."""
        return "class" if self.classes else known_of(self.dataset)

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The class names as they stand in prompts."""
        return tuple(name.replace("_", " ") for name in self.classes)
