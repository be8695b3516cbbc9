"""The probabilities of a study as its chapters read them: by measure, with the test images sorted as statistics do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from visavis.study.answers import number_groups
from visavis.study.bootstrap import strata_of
from visavis.study.chapters.chapter import Material
from visavis.study.halves import second_half
from visavis.study.summary import NAMING

OWN_MEANS = ("classifier", "zero_shot")  # what naming is made of, the first that a model has


@dataclass(frozen=True, kw_only=True)
class Tested:
    """The test images in the order of their ids, which all resamples of a study share.

    Attributes:
        ids: [images].
        order: Their places in the test part, [images].
        truth: The true column of all probabilities, [images].
        strata: Of `strata_of`.
        second: Whether an image is of the second half, bool [images]; see `second_half`.
    """

    ids: np.ndarray
    order: np.ndarray
    truth: np.ndarray
    strata: np.ndarray
    second: np.ndarray


def images_of(material: Material) -> Tested:
    """The test images of a study."""
    test = material.plan.part("test")
    order = np.argsort(np.array([sample.id for sample in test]), kind="stable")
    column = {name: number for number, name in enumerate(material.plan.classes)}
    truth = np.array([column[str(test[place].label)] for place in order])
    classes = pd.factorize(truth)[0]  # numbered by each class's first image, as `answers_of` does
    return Tested(
        ids=np.array([test[place].id for place in order]),
        order=order,
        truth=truth,
        strata=strata_of(classes, number_groups([test[place].group for place in order])),
        second=second_half(classes, [test[place].group for place in order], material.plan.seed),
    )


def measures_shown(material: Material) -> list[str]:
    """The measures with probabilities under the first view, without those that naming repeats."""
    return [name for name in measures_told(material) if models_of(material, name)]


def measures_told(material: Material) -> list[str]:
    """The measures with accuracies under the first view, without those that naming repeats."""
    accuracies = material.results[(material.results["metric"] == "accuracy")]
    measures = list(dict.fromkeys(accuracies.loc[accuracies["view"] == material.view.name, "measure"]))
    if NAMING in measures:
        measures = [name for name in measures if name not in OWN_MEANS]
    return measures


def models_of(material: Material, measure: str) -> list[str]:
    """The models with probabilities of a measure, in the plan's order."""
    return [encoder.name for encoder in material.plan.encoders if _key(material, measure, encoder.name)]


def probabilities_of(material: Material, images: Tested, measure: str, model: str) -> np.ndarray:
    """float32 [images, classes], in the order of `images`; the model has the measure, see `models_of`."""
    key = _key(material, measure, model)
    assert key is not None, "models_of lists the models that have it"
    return material.probabilities[key][images.order]


def _key(material: Material, measure: str, model: str) -> tuple[str, str] | None:
    """Where the probabilities stand: naming is a model's own classifier, else zero-shot."""
    means = OWN_MEANS if measure == NAMING else (measure,)
    return next(((name, model) for name in means if (name, model) in material.probabilities), None)
