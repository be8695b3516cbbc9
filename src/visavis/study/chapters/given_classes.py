"""Images without labels, and class names that the user gave: what each model calls them, and what labelling would tell.

Nothing is right or wrong here. Yet where two models answer alike, either both are right or neither is, so the share of
images that they answer differently is the most by which one can be right more often, whatever the labels are; and only
those images are worth labelling to tell the two apart.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.zero_shot import zero_shot
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.over_images import over_images
from visavis.study.plan import Plan
from visavis.study.wording import percent

PICTURES = 24


def given_classes(material: Material) -> Chapter:
    """The class that each model which reads texts gives each image, by zero-shot.

    Returns:
        given_classes: sample, name, model, predicted, confidence, disputed (whether the models' answers differ): those
            on which the models are surest and differ first.
        given_classes_shares: model, class, value (share of the images), low, high, n.
        given_classes_pairs: model_a, model_b, value (share of images answered differently), low, high, n.
    """
    plan = material.plan
    if not plan.given:
        raise NotMeasurable("No class names were given: --classes 'cat,dog' asks the models that read texts for them.")
    test = plan.part("test")
    answers, confidence = {}, {}
    for encoder in plan.encoders:
        if encoder.logit_scale is None:
            continue
        material.progress(f"classes by {encoder.name}", 0, 1)
        classifier = encoder.zero_shot_classifier(plan.given, plan.templates)
        probabilities = zero_shot(material.embed(encoder, test, material.view), classifier, encoder.logit_scale)
        answers[encoder.name] = probabilities.argmax(axis=1)
        confidence[encoder.name] = probabilities.max(axis=1).astype(float)
    if not answers:
        raise NotMeasurable("None of the models reads texts, so that class names mean nothing to them.")
    pairs, shares = _pairs(answers, test, plan.seed), _shares(answers, test, plan)
    table = _answers(answers, confidence, test, plan.given)
    disputed = table.loc[table["disputed"], "sample"].drop_duplicates()
    headline = _headline(pairs, shares, len(test))
    return Chapter(
        tables={"given_classes": table, "given_classes_shares": shares, "given_classes_pairs": pairs},
        headline=headline,
        says=(f"{headline}.", *_worth_labelling(len(disputed), len(test))),
        pictures=tuple(disputed.head(PICTURES)),
    )


def _answers(
    answers: dict[str, np.ndarray], confidence: dict[str, np.ndarray], test: tuple[Sample, ...], given: tuple[str, ...]
) -> pd.DataFrame:
    """One row an image and model; an image's rows stand together, the surest disagreements first."""
    chosen, sure = np.column_stack(list(answers.values())), np.column_stack(list(confidence.values()))
    disputed = (chosen != chosen[:, :1]).any(axis=1)
    surest = sure.max(axis=1)
    against = np.where(chosen != chosen[np.arange(len(test)), sure.argmax(axis=1)][:, None], sure, 0).max(axis=1)
    order = np.lexsort((np.arange(len(test)), -surest * against, ~disputed))
    names = np.array(given, object)
    return pd.DataFrame(
        [
            (test[row].id, test[row].name, model, names[chosen[row, column]], sure[row, column], bool(disputed[row]))
            for row in order
            for column, model in enumerate(answers)
        ],
        columns=["sample", "name", "model", "predicted", "confidence", "disputed"],
    )


def _shares(answers: dict[str, np.ndarray], test: tuple[Sample, ...], plan: Plan) -> pd.DataFrame:
    """How many images each model gives each class."""
    tables = []
    for model, chosen in answers.items():
        found = over_images((chosen[:, None] == np.arange(len(plan.given))).astype(float), test, plan.seed)
        tables.append(found.assign(model=model).assign(**{"class": list(plan.given)}))
    return pd.concat(tables, ignore_index=True)[["model", "class", "value", "low", "high", "n"]]


def _pairs(answers: dict[str, np.ndarray], test: tuple[Sample, ...], seed: int) -> pd.DataFrame:
    both = list(combinations(answers, 2))
    columns = ["model_a", "model_b", "value", "low", "high", "n"]
    if not both:
        return pd.DataFrame(columns=columns)
    differ = np.column_stack([answers[a] != answers[b] for a, b in both]).astype(float)
    found = over_images(differ, test, seed)
    return found.assign(model_a=[a for a, _ in both], model_b=[b for _, b in both])[columns]


def _headline(pairs: pd.DataFrame, shares: pd.DataFrame, n: int) -> str:
    if pairs.empty:
        most = shares.iloc[shares["value"].argmax()]
        return (
            f"{most['model']} calls {percent(most['value'], most['low'], most['high'])} of {n:,} images {most['class']}"
        )
    widest = pairs.iloc[pairs["value"].argmax()]
    share = percent(widest["value"], widest["low"], widest["high"])
    whom = f"{widest['model_a']} and {widest['model_b']}"
    if widest["value"] == 0:
        return f"{whom} give all {n:,} images the same of the given classes"
    return f"{whom} name {share} of {n:,} images differently: neither can be right more often by more than that"


def _worth_labelling(disputed: int, n: int) -> tuple[str, ...]:
    if not disputed:
        return ()
    return (
        f"To tell these models apart, label the {disputed:,} of {n:,} images marked disputed in given_classes.csv.",
    )
