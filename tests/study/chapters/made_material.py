"""What a chapter gets, made up here from a table of probabilities: no model, no image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pandas as pd

from visavis.data.dataset import Dataset, Sample
from visavis.data.views import parse_view
from visavis.evaluate.scores import predictions_from_scores, softmax
from visavis.study.chapters.chapter import Material
from visavis.study.pairs import compare_pairs, tie_groups
from visavis.study.plan import Plan
from visavis.study.summary import summarize, with_naming


def make_material(
    probabilities: Mapping[tuple[str, str], np.ndarray],
    truth: np.ndarray,
    *,
    groups: Sequence[str] = (),
    images_per_s: Mapping[str, float] | None = None,
) -> Material:
    """A study with the given probabilities for each (measure, model), float32 [images, classes], and true columns."""
    classes = tuple(f"class {number:03d}" for number in range(next(iter(probabilities.values())).shape[1]))
    names = [f"{(7919 * number) % 100003:016x}" for number in range(len(truth))]  # not in the order of the images
    samples = tuple(
        Sample(id=name, name=name, data=b"", label=classes[label], part="test", group=groups[place] if groups else "")
        for place, (name, label) in enumerate(zip(names, truth, strict=True))
    )
    models = list(dict.fromkeys(model for _, model in probabilities))
    plan = Plan(
        encoders=tuple(SimpleNamespace(name=model) for model in models),  # type: ignore[misc]
        dataset=Dataset(name="made up", samples=samples),
        classes=classes,
        views=(parse_view("clean"),),
        templates=("{}",),
        seed=0,
    )
    labels = [classes[label] for label in truth]
    tables = []
    for (measure, model), scores in probabilities.items():
        table = predictions_from_scores(scores, classes, labels)
        table = table.assign(sample=names, model=model, view="clean", measure=measure, draw=0)
        tables.append(table.assign(group=list(groups)) if groups else table)
    predictions = with_naming(pd.concat(tables, ignore_index=True))
    pairs = compare_pairs(predictions, draws=200)
    results = tie_groups(summarize(predictions, draws=200), pairs)
    speeds = pd.DataFrame(
        [
            {"model": model, "view": "", "measure": "cost", "metric": "images_per_s", "value": value}
            for model, value in (images_per_s or {}).items()
        ]
    )
    return Material(
        plan=plan, predictions=predictions, results=pd.concat([results, speeds], ignore_index=True), pairs=pairs,
        probabilities=probabilities, embed=lambda encoder, samples, view: np.empty((0, 0), np.float32),
        features=lambda encoder, samples, view: np.empty((0, 0), np.float32),
        progress=lambda stage, done, total: None, earlier={},
    )  # fmt: skip


def draw_probabilities(
    truth: np.ndarray, n_classes: int, *, skill: float, sharpness: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Softmax of noise in which the true class stands out by `skill`; calibrated at `sharpness` = `skill`."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), n_classes)).astype(np.float32)
    logits[np.arange(len(truth)), truth] += skill
    return softmax(logits * np.float32(sharpness))
