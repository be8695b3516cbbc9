"""Does what is learnt on some groups hold on another? Each group in turn is tested by models that never saw it.

The measure is nearest neighbours. An image of a group is decided twice: by images of the other half of its own group,
and by as many of the same classes from all other groups. A group must have several classes for that, such as a vendor,
a site or a style; frames of a video or styles of one emoji do not.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from visavis.data.views import parse_view
from visavis.evaluate.knn import knn
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.shift import matched
from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts, strata_of
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.viewed import CLEAN
from visavis.study.halves import second_half
from visavis.study.wording import points_with_interval

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder

FEWEST_IMAGES = 20  # of a group
MOST_GROUPS = 20
ALL = ""  # no group is called so


def shift(material: Material) -> Chapter:
    """Accuracy on each group, learnt within it and learnt on the others.

    Returns:
        shift: group (empty for all together, last), model, within, within_low, within_high, across, across_low,
            across_high, difference (across less within), low, high, n.
    """
    if CLEAN not in [view.name for view in material.plan.views]:
        raise NotMeasurable("Shift between groups is measured on unchanged images: name the view clean as well.")
    samples = tuple(sample for sample in material.plan.dataset.samples if sample.label is not None)
    groups = np.array([sample.group for sample in samples])
    column = {name: number for number, name in enumerate(material.plan.classes)}
    classes = np.array([column[str(sample.label)] for sample in samples])
    taken = _domains(groups, classes)
    resampling = Resampling(seed=material.plan.seed)
    tables = []
    for encoder in material.plan.encoders:
        right = _decide(material, encoder, groups, classes, taken)  # [images, within and across], NaN where not asked
        tables.append(_rows(right, groups, classes, taken, resampling).assign(model=encoder.name))
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values("group", key=lambda own: own.map([*taken, ALL].index), kind="stable", ignore_index=True)
    table = table[["group", "model", *table.columns.drop(["group", "model"])]]
    return Chapter(tables={"shift": table}, headline=_headline(table))


def _domains(groups: np.ndarray, classes: np.ndarray) -> list[str]:
    """The groups that can be left out: large enough, of several classes, which other groups have as well."""
    counts = Counter(groups[groups != ""].tolist())
    taken = [
        name
        for name, count in counts.items()
        if count >= FEWEST_IMAGES and len(set(classes[groups == name]) & set(classes[groups != name])) > 1
    ]
    if len(taken) < 2:
        raise NotMeasurable(
            f"Shift between groups needs two groups of at least {FEWEST_IMAGES} images each that share several "
            "classes, such as vendors or sites; give them as the column group of the data's table."
        )
    if len(taken) > MOST_GROUPS:
        raise NotMeasurable(f"There are {len(taken)} groups, too many to leave each out; up to {MOST_GROUPS} are.")
    return taken


def _decide(
    material: Material, encoder: Encoder, groups: np.ndarray, classes: np.ndarray, taken: list[str]
) -> np.ndarray:
    plan = material.plan
    labelled = [sample for sample in plan.dataset.samples if sample.label is not None]
    vectors = np.empty((len(labelled), encoder.embed_dim), np.float32)
    for part in ("train", "test"):  # as they were embedded before
        places = [place for place, sample in enumerate(labelled) if sample.part == part]
        vectors[places] = material.embed(encoder, plan.part(part), parse_view(CLEAN))
    names = [plan.classes[number] for number in classes]
    right = np.full((len(labelled), 2), np.nan)
    generator = np.random.default_rng(plan.seed)
    for group in taken:
        own, others = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        second = second_half(classes[own], [""] * len(own), plan.seed)
        for train, test in ((own[~second], own[second]), (own[second], own[~second])):
            elsewhere = matched(classes, train, others, generator)
            here = matched(classes, elsewhere, train, generator)  # both have what both can have
            for place, learnt in enumerate((here, elsewhere)):
                scores, _ = knn(vectors[learnt], [names[one] for one in learnt], vectors[test], plan.classes)
                right[test, place] = scores.argmax(axis=1) == classes[test]
    return right


def _rows(
    right: np.ndarray, groups: np.ndarray, classes: np.ndarray, taken: list[str], resampling: Resampling
) -> pd.DataFrame:
    rows = []
    for name in (*taken, ALL):  # groups are the places asked about, not a sample of places: images are resampled
        own = (groups == name) | ((name == ALL) & ~np.isnan(right[:, 0]))
        strata = strata_of(np.unique(classes[own], return_inverse=True)[1])
        asked = right[own]
        shares = estimate_accuracies(asked, np.ones_like(asked), strata, resampling)
        gap = estimate_contrasts(asked[:, [1]] - asked[:, [0]], strata, np.ones(1), resampling)
        (within, across), (low, other_low), (high, other_high) = shares.value, shares.low, shares.high
        rows.append(
            (name, within, low, high, across, other_low, other_high, gap.value[0], gap.low[0], gap.high[0], gap.n[0])
        )
    names = ("group", "within", "within_low", "within_high", "across", "across_low", "across_high", "difference", "low")
    return pd.DataFrame(rows, columns=[*names, "high", "n"])


def _headline(table: pd.DataFrame) -> str:
    """The model that loses least by learning elsewhere, and the group where that costs most."""
    whole = table[table["group"] == ALL].sort_values("difference", ascending=False, kind="stable")
    best = whole.iloc[0]
    words = points_with_interval(best["difference"], best["low"], best["high"])
    single = table[table["group"] != ALL]
    hardest = single.groupby("group", sort=False)["difference"].mean().idxmin()
    return (
        f"Learning on other groups changes {best['model']}'s accuracy least, by {words}; {hardest} is hardest to reach"
    )
