"""Is something wrong with the data, and would the verdict change without it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from visavis.errors import UsageError
from visavis.evaluate.scores import NotMeasurable
from visavis.report.tables import headline
from visavis.study.answers import answers_of
from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts, group_sums
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.flaws import (
    COPY,
    LEAK,
    TWO_LABELS,
    all_vectors,
    find_doubted_labels,
    find_duplicates,
    find_outliers,
)
from visavis.study.paired_tests import sign_flip
from visavis.study.power import ALPHA
from visavis.study.wording import listed, percent

KINDS = ("duplicates", "label_errors", "outliers")  # what can be left out
FEW = 5  # images of a class; fewer teach and test little
PICTURES = 8  # findings of each kind that are shown
WORDS = {
    "duplicates": ("has a near-duplicate", "have a near-duplicate"),
    "label_errors": ("has a doubtful label", "have a doubtful label"),
    "outliers": ("is unlike all others", "are unlike all others"),
}


def quality(material: Material) -> Chapter:
    """What was found, and the headline's accuracies with and without the test images concerned.

    Returns:
        quality: finding, count, of.
        duplicates, label_errors, outliers: see `visavis.study.flaws`.
        quality_effect: left_out ("nothing", one of `KINDS` or "all"), model, value, low, high, n.
        quality_lead: left_out, model_a (the best), model_b (the next), difference, low, high, n, p_value.
    """
    vectors = all_vectors(material)
    if not vectors:
        raise NotMeasurable("There is no model to look at the images with.")
    flaws = {
        "duplicates": find_duplicates(material, vectors),
        "label_errors": find_doubted_labels(material),
        "outliers": find_outliers(material, vectors),
    }
    concerned = {kind: samples_concerned(kind, table) for kind, table in flaws.items()}
    effect, lead = _effect(material, concerned)
    counted = _counts(material, flaws)
    return Chapter(
        tables={"quality": counted, **flaws, "quality_effect": effect, "quality_lead": lead},
        headline=_headline(concerned, lead),
        says=_says(concerned, effect, lead),
        pictures=_pictures(flaws),
    )


def checked_for(material: Material, kinds: Sequence[str]) -> tuple[Chapter, list[str]]:
    """The chapter for a study that leaves out what it finds of these kinds, and the ids of those test images.

    Raises:
        UsageError: The images cannot be looked at.
    """
    try:
        chapter = quality(material)
    except NotMeasurable as reason:
        raise UsageError(f"Doubtful images cannot be found, so none can be excluded: {reason}") from reason
    concerned = {kind: samples_concerned(kind, chapter.tables[kind]) for kind in KINDS if kind in kinds}
    samples = list(dict.fromkeys(sample for own in concerned.values() for sample in own))
    lead = chapter.tables["quality_lead"]
    with_them = f" With them, {lead['model_a'].iloc[0]} leads." if len(lead) and _is_shown(lead.iloc[0]) else ""
    if not samples:
        return replace(chapter, says=()), []
    says = f"Of the test images, {_found(concerned)}, and all of this leaves them out.{with_them}"
    return replace(chapter, says=(says,)), samples


def samples_concerned(kind: str, flaws: pd.DataFrame) -> list[str]:
    """Ids of the test images that a kind of flaw speaks against: of copies in the test part, all but the first."""
    if kind != "duplicates":
        testing = flaws[flaws["part"] == "test"] if "part" in flaws else flaws
        return list(testing["sample"])
    leaks = flaws[flaws["relation"] == LEAK]  # samples stand with the training part first
    copies = flaws[(flaws["relation"] == COPY) & (flaws["part_b"] == "test")]
    return list(dict.fromkeys([*leaks["sample_b"], *copies["sample_b"]]))


def _counts(material: Material, flaws: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How often each flaw was found, and among how many."""
    samples = material.plan.dataset.samples
    n = len(samples)
    n_train, n_test = (len(material.plan.part(part)) for part in ("train", "test"))
    relations = flaws["duplicates"]["relation"].value_counts()
    sizes = {
        part: pd.Series([sample.label for sample in material.plan.part(part)])
        .value_counts()
        .reindex(material.plan.classes)
        for part in ("train", "test")
    }
    classes = len(material.plan.classes)
    all_sizes = sizes["train"].fillna(0) + sizes["test"].fillna(0)
    rows = [
        *((relation, int(relations.get(relation, 0)), n) for relation in (LEAK, COPY, TWO_LABELS)),
        ("label_errors", len(flaws["label_errors"]), n_test),
        ("outliers", len(flaws["outliers"]), n),
        ("few_train", int((sizes["train"].fillna(0) < FEW).sum()) if n_train else 0, classes),
        ("few_test", int((sizes["test"].fillna(0) < FEW).sum()), classes),
        ("largest_class", int(all_sizes.max()), n),
        ("smallest_class", int(all_sizes.min()), n),
    ]
    return pd.DataFrame(rows, columns=["finding", "count", "of"])


def _effect(material: Material, concerned: Mapping[str, list[str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracies and the best model's lead, with all test images and without those concerned."""
    answers = answers_of(material.predictions)
    view, measure = headline(material.results)
    columns = answers.families()[view, measure]
    ids = np.array(sorted(set(material.predictions.loc[material.predictions["draw"] == 0, "sample"])))
    left_out: dict[str, Iterable[str]] = {"nothing": (), **{kind: ids_ for kind, ids_ in concerned.items() if ids_}}
    if len(left_out) > 2:
        left_out["all"] = {sample for own in concerned.values() for sample in own}
    right = answers.right[:, list(columns.values())]  # [images, models]
    strata, resampling = answers.strata, Resampling(seed=material.plan.seed)
    effects, leads = [], []
    for name, out in left_out.items():
        kept = ~np.isin(ids, list(out))
        weights = (~np.isnan(right) & kept[:, None]).astype(float)
        if not weights.any(axis=0).all():
            continue  # nothing is left
        found = estimate_accuracies(np.nan_to_num(right), weights, strata, resampling)
        for place, model in enumerate(columns):
            effects.append((name, model, found.value[place], found.low[place], found.high[place], found.n[place]))
        best, second = [*np.argsort(-found.value, kind="stable"), None][:2]
        if second is not None:
            contrast = np.where(kept, right[:, best] - right[:, second], np.nan)[:, None]
            gap = estimate_contrasts(contrast, strata, np.ones(1), resampling)
            p_value = sign_flip(group_sums(np.nan_to_num(contrast), strata))[0]
            names = list(columns)
            leads.append((name, names[best], names[second], gap.value[0], gap.low[0], gap.high[0], gap.n[0], p_value))
    return (
        pd.DataFrame(effects, columns=["left_out", "model", "value", "low", "high", "n"]),
        pd.DataFrame(
            leads, columns=["left_out", "model_a", "model_b", "difference", "low", "high", "n", "p_value"]
        ),
    )  # fmt: skip


def _headline(concerned: Mapping[str, list[str]], lead: pd.DataFrame) -> str:
    if not any(concerned.values()):
        return "Nothing was found that speaks against a test image"
    return f"Of the test images, {_found(concerned)}{_who_leads(lead)}"


def _found(concerned: Mapping[str, list[str]]) -> str:
    found = [f"{len(own):,} {WORDS[kind][len(own) > 1]}" for kind, own in concerned.items() if own]
    return listed(found)


def _who_leads(lead: pd.DataFrame) -> str:
    """What leaving them all out does to the lead."""
    if lead.empty:
        return ""
    before, after = lead.iloc[0], lead.iloc[-1]
    if _is_shown(after):
        as_before = _is_shown(before) and before["model_a"] == after["model_a"]
        return (
            f"; without them {after['model_a']} leads{' as before' if as_before else ', which was not shown with them'}"
        )
    if _is_shown(before):
        return f"; without them the lead of {before['model_a']} is no longer shown"
    return f"; without them too, no test separates {after['model_a']} and {after['model_b']}"


def _is_shown(lead: pd.Series) -> bool:
    return bool(lead["low"] > 0 and lead["p_value"] < ALPHA)


def _says(concerned: Mapping[str, list[str]], effect: pd.DataFrame, lead: pd.DataFrame) -> tuple[str, ...]:
    if not any(concerned.values()) or lead.empty:
        return ()
    best = lead["model_a"].iloc[-1]
    row = effect[(effect["left_out"] == lead["left_out"].iloc[-1]) & (effect["model"] == best)].iloc[0]
    share = percent(row["value"], row["low"], row["high"])
    return (f"{_headline(concerned, lead)} ({best} then has {share} right).",)


def _pictures(flaws: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """The first of each kind, as the report shows them; an image of many pairs stands for them all in one."""
    shown: dict[str, None] = {}
    for _, own in flaws["duplicates"].groupby("relation"):
        pairs = 0
        for first, second in zip(own["sample_a"], own["sample_b"], strict=True):
            if pairs < PICTURES and first not in shown and second not in shown:
                shown |= {first: None, second: None}
                pairs += 1
    for kind in ("label_errors", "outliers"):
        shown |= dict.fromkeys(flaws[kind]["sample"].head(PICTURES))
    return tuple(shown)
