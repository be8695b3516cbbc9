"""Images that may have several classes: mean average precision by names and by probes, and the models' differences.

A class's average precision is too high by chance where few images have it, so the mean is taken over classes with ten
images at least.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from visavis.evaluate.multi_label import precisions_at_each
from visavis.evaluate.scores import NotMeasurable
from visavis.study.answers import number_groups
from visavis.study.bootstrap import Resampling
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.mean_precision import difference, interval, order_of, resampled
from visavis.study.multi_label import classes_among, has_class
from visavis.study.pairs import holm
from visavis.study.power import ALPHA
from visavis.study.summary import ANY_LABEL
from visavis.study.wording import p_in_words, percent, points_with_interval

MIN_IMAGES = 10  # of a class, for its place in the mean


def multi_label(material: Material) -> Chapter:
    """How well each model orders the images for each class: by the class's prompts, and by a probe of its features.

    Resamples are of images, or of groups, and all models share them.

    Returns:
        multi_label: measure (by names or by probes), model, metric (map), value, low, high, n, classes (in the mean);
            the best first.
        multi_label_classes: measure, model, class, value (average precision), images (that have it).
        multi_label_pairs: measure, model_a (the better), model_b, difference (of their mAP), low, high, n, p_value,
            p_adjusted (Holm, over the pairs of a measure).
    """
    test = material.plan.part("test")
    classes = classes_among(material.plan.dataset)
    right = has_class(test, classes)
    had = right.any(axis=0)
    right, classes = right[:, had], tuple(np.array(classes, object)[had])
    often = right.sum(axis=0) >= MIN_IMAGES
    if not often.any():
        raise NotMeasurable(f"None of the classes has {MIN_IMAGES} test images, with fewer of which mAP is chance.")
    groups = number_groups([sample.group for sample in test])
    images = resampled(right[:, often], groups, Resampling(seed=material.plan.seed))
    orders, each = {}, []
    for (measure, model), scores in material.probabilities.items():  # [test images, classes]
        material.progress(f"classes by {model}", 0, 1)
        orders[measure, model] = order_of(scores[:, had][:, often], images)
        alone = np.nanmean(precisions_at_each(scores[:, had], right), axis=0)  # [classes]
        each += [
            (measure, model, name, value, int(n))
            for name, value, n in zip(classes, alone, right.sum(axis=0), strict=True)
        ]
    orders = dict(sorted(orders.items(), key=lambda item: -item[1].means[0]))  # the best first
    rows = [(*cell, "map", *interval(order, images), len(test), int(often.sum())) for cell, order in orders.items()]
    table = pd.DataFrame(rows, columns=["measure", "model", "metric", "value", "low", "high", "n", "classes"])
    pairs = [
        (a[0], a[1], b[1], *difference(orders[a], orders[b], images), len(test))
        for a, b in combinations(orders, 2)
        if a[0] == b[0]
    ]
    pair_table = pd.DataFrame(
        pairs, columns=["measure", "model_a", "model_b", "difference", "low", "high", "p_value", "n"]
    )
    pair_table["p_adjusted"] = pair_table.groupby("measure")["p_value"].transform(lambda own: holm(own.to_numpy()))
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


def _headline(table: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """The best by mAP, and whether a test tells it from the next; of the measure that most models have."""
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
    p_value = p_in_words(lead["p_adjusted"])
    if lead["p_adjusted"] >= ALPHA:
        return f"{said}, not shown to differ from that with {lead['model_b']} (adjusted {p_value})"
    more = points_with_interval(lead["difference"], lead["low"], lead["high"])
    return f"{said}, {more} more than with {lead['model_b']} (adjusted {p_value})"
