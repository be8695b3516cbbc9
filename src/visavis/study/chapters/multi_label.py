"""Images that may have several classes: mean average precision of the models that read texts, and their differences.

With few images a class's average precision is too high by chance, and higher again in resamples, in which an image may
come twice. So a mean is taken over classes with ten images at least, and intervals are those of the resamples reflected
at the value, as plain percentiles lie too high: Davison and Hinkley 1997, Bootstrap Methods and their Application,
section 5.2. With some tens of images a class these are still a little too short.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from visavis.evaluate.multi_label import average_precisions
from visavis.evaluate.scores import NotMeasurable
from visavis.study.answers import number_groups
from visavis.study.bootstrap import Resampling
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.multi_label import class_scores, class_vectors, classes_among, has_class
from visavis.study.wording import percent, points_with_interval

MIN_IMAGES = 10  # of a class, for its place in the mean


def multi_label(material: Material) -> Chapter:
    """How well each model orders the images for each class, by the cosine of the image and the class's prompts.

    Resamples are of images, or of groups, and all models share them.

    Returns:
        multi_label: model, metric (map), value, low, high, n, classes (in the mean); the best first.
        multi_label_classes: model, class, value (average precision), images (that have it).
        multi_label_pairs: model_a (the better), model_b, difference (of their mAP), low, high, n.
    """
    test = material.plan.part("test")
    classes = classes_among(material.plan.dataset)
    right = has_class(test, classes)
    right, classes = right[:, right.any(axis=0)], tuple(np.array(classes, object)[right.any(axis=0)])
    often = right.sum(axis=0) >= MIN_IMAGES
    if not often.any():
        raise NotMeasurable(f"None of the classes has {MIN_IMAGES} test images, with fewer of which mAP is chance.")
    resampling = Resampling(seed=material.plan.seed)
    counts = np.vstack(
        [np.ones(len(test), int), _resamples([sample.group or sample.id for sample in test], resampling)]
    )
    found = {}  # [1 + draws, classes] for each model, the first row of the images themselves
    for encoder in material.plan.encoders:
        material.progress(f"classes by {encoder.name}", 0, 1)
        try:
            vectors = class_vectors(encoder, classes, material.plan.templates)
        except NotMeasurable:
            continue
        scores = class_scores(material.embed(encoder, test, material.view), vectors)
        found[encoder.name] = average_precisions(scores, right, counts)
    if not found:
        raise NotMeasurable("None of the models reads texts, so that classes are no more than names to them.")
    means = {model: np.nanmean(precisions[:, often], axis=1) for model, precisions in found.items()}  # [1 + draws]
    means = dict(sorted(means.items(), key=lambda item: -item[1][0]))  # the best first
    rows = [(model, "map", *_interval(mean, resampling), len(test), int(often.sum())) for model, mean in means.items()]
    table = pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high", "n", "classes"])
    each = [
        (model, name, precisions[0, column], int(right[:, column].sum()))
        for model, precisions in found.items()
        for column, name in enumerate(classes)
    ]
    pairs = [(a, b, *_interval(means[a] - means[b], resampling), len(test)) for a, b in combinations(means, 2)]
    pair_table = pd.DataFrame(pairs, columns=["model_a", "model_b", "difference", "low", "high", "n"])
    headline = _headline(table, pair_table)
    return Chapter(
        tables={
            "multi_label": table,
            "multi_label_classes": pd.DataFrame(each, columns=["model", "class", "value", "images"]),
            "multi_label_pairs": pair_table,
        },
        headline=headline,
        says=(f"{headline}.",),
    )


def _resamples(groups: list[str], resampling: Resampling) -> np.ndarray:
    """How often each image is drawn, whole groups at a time, [draws, images]."""
    numbers = number_groups(tuple(groups))
    numbers = np.arange(len(groups)) if numbers is None else numbers
    n_groups = int(numbers.max()) + 1
    generator = np.random.default_rng(resampling.seed)
    return generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=resampling.draws)[:, numbers]


def _interval(values: np.ndarray, resampling: Resampling) -> tuple[float, float, float]:
    """The value, the first, and its interval by the others, reflected at it."""
    tail = (1 - resampling.level) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    value = values[0]
    return float(value), float(min(2 * value - high, value)), float(max(2 * value - low, value))


def _headline(table: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """The best by mAP, and whether its interval tells it from the next."""
    best = table.iloc[0]
    share = percent(best["value"], best["low"], best["high"])
    said = f"With {best['model']} the mAP over {int(best['classes'])} classes is {share}"
    if pairs.empty:
        return said
    lead = pairs.iloc[0]  # of the best over the next
    if lead["low"] <= 0:
        return f"{said}, not shown to differ from that with {lead['model_b']}"
    more = points_with_interval(lead["difference"], lead["low"], lead["high"])
    return f"{said}, {more} more than with {lead['model_b']}"
