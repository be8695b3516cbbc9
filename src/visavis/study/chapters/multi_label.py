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
from visavis.study.multi_label import classes_among, has_class
from visavis.study.summary import ANY_LABEL
from visavis.study.wording import percent, points_with_interval

MIN_IMAGES = 10  # of a class, for its place in the mean


def multi_label(material: Material) -> Chapter:
    """How well each model orders the images for each class: by the class's prompts, and by a probe of its features.

    Resamples are of images, or of groups, and all models share them.

    Returns:
        multi_label: measure (by names or by probes), model, metric (map), value, low, high, n, classes (in the mean);
            the best first.
        multi_label_classes: measure, model, class, value (average precision), images (that have it).
        multi_label_pairs: measure, model_a (the better), model_b, difference (of their mAP), low, high, n.
    """
    test = material.plan.part("test")
    classes = classes_among(material.plan.dataset)
    right = has_class(test, classes)
    had = right.any(axis=0)
    right, classes = right[:, had], tuple(np.array(classes, object)[had])
    often = right.sum(axis=0) >= MIN_IMAGES
    if not often.any():
        raise NotMeasurable(f"None of the classes has {MIN_IMAGES} test images, with fewer of which mAP is chance.")
    resampling = Resampling(seed=material.plan.seed)
    counts = np.vstack(
        [np.ones(len(test), int), _resamples([sample.group or sample.id for sample in test], resampling)]
    )
    found = {}  # [1 + draws, classes] for each measure and model, the first row of the images themselves
    for (measure, model), scores in material.probabilities.items():  # [test images, classes]
        material.progress(f"classes by {model}", 0, 1)
        found[measure, model] = average_precisions(scores[:, had], right, counts)
    means = {cell: np.nanmean(precisions[:, often], axis=1) for cell, precisions in found.items()}  # [1 + draws]
    means = dict(sorted(means.items(), key=lambda item: -item[1][0]))  # the best first
    rows = [(*cell, "map", *_interval(mean, resampling), len(test), int(often.sum())) for cell, mean in means.items()]
    table = pd.DataFrame(rows, columns=["measure", "model", "metric", "value", "low", "high", "n", "classes"])
    each = [
        (*cell, name, precisions[0, column], int(right[:, column].sum()))
        for cell, precisions in found.items()
        for column, name in enumerate(classes)
    ]
    pairs = [
        (a[0], a[1], b[1], *_interval(means[a] - means[b], resampling), len(test))
        for a, b in combinations(means, 2)
        if a[0] == b[0]
    ]
    pair_table = pd.DataFrame(pairs, columns=["measure", "model_a", "model_b", "difference", "low", "high", "n"])
    headline = _headline(table, pair_table)
    return Chapter(
        tables={
            "multi_label": table,
            "multi_label_classes": pd.DataFrame(each, columns=["measure", "model", "class", "value", "images"]),
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
    """The best by mAP, and whether its interval tells it from the next; of the measure that most models have."""
    covered = table["measure"].value_counts()
    measure = ANY_LABEL if covered.get(ANY_LABEL, 0) == covered.max() else covered.index[0]
    best = table[table["measure"] == measure].iloc[0]
    pairs = pairs[pairs["measure"] == measure]
    share = percent(best["value"], best["low"], best["high"])
    how = "by the classes’ names" if measure == ANY_LABEL else "by linear probes"
    said = f"With {best['model']} the mAP over {int(best['classes'])} classes is {share} {how}"
    if pairs.empty:
        return said
    lead = pairs.iloc[0]  # of the best over the next
    if lead["low"] <= 0:
        return f"{said}, not shown to differ from that with {lead['model_b']}"
    more = points_with_interval(lead["difference"], lead["low"], lead["high"])
    return f"{said}, {more} more than with {lead['model_b']}"
