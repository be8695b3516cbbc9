"""A study of several views: who is right is given, the rest is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from made_material import make_material

from visavis.data.views import parse_view
from visavis.evaluate.scores import predictions_from_scores
from visavis.study.chapters.chapter import Material
from visavis.study.summary import summarize, with_naming

CLASSES = 4


def make_viewed(right: Mapping[str, Mapping[str, np.ndarray]], measure: str = "knn") -> Material:
    """Which images each model has right under each view, {view: {model: bool [images]}}; "clean" among them."""
    n = len(next(iter(right["clean"].values())))
    truth = np.arange(n) % CLASSES
    clean = {(measure, model): _scores(truth, own) for model, own in right["clean"].items()}
    material = make_material(clean, truth)
    samples = [sample.id for sample in material.plan.dataset.samples]
    labels = [material.plan.classes[place] for place in truth]
    tables = [
        predictions_from_scores(_scores(truth, own), material.plan.classes, labels).assign(
            sample=samples, model=model, view=view, measure=measure, draw=0
        )
        for view, models in right.items()
        for model, own in models.items()
    ]
    predictions = with_naming(pd.concat(tables, ignore_index=True))
    plan = replace(material.plan, views=tuple(parse_view(view) for view in right))
    return replace(material, plan=plan, predictions=predictions, results=summarize(predictions, draws=200))


def draw_right(share: float, n: int = 400, seed: int = 0) -> np.ndarray:
    """So many of the images, bool [images]: the easy ones first, which are the same for every share of a seed."""
    return np.random.default_rng(seed).random(n) < share


def _scores(truth: np.ndarray, right: np.ndarray) -> np.ndarray:
    answer = np.where(right, truth, (truth + 1) % CLASSES)
    return (0.1 + 0.6 * np.eye(CLASSES)[answer]).astype(np.float32)
