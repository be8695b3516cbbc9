"""Search: texts that find images, images that find texts, and images that find their like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.evaluate.retrieval import Retrieved, retrieve
from visavis.evaluate.scores import NotMeasurable
from visavis.study.answers import number_groups
from visavis.study.bootstrap import Resampling, estimate_accuracies, strata_of
from visavis.study.captions import Captioned, captioned, encode_captions
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.pairs import compare_pairs, is_separable
from visavis.study.wording import p_in_words, percent, points_with_interval

DIRECTIONS = ("text_to_image", "image_to_text", "image_to_image")
FIRST = (1, 5, 10)  # the k of recall@k


@dataclass(frozen=True, kw_only=True)
class Search:
    """One direction: what is asked, and what is right.

    Attributes:
        direction: One of `DIRECTIONS`.
        queries: Their places among the images or texts.
        names: Of the queries, each once.
        groups: What the queries belong to, "" where one stands alone: all captions of an image are one group.
        right: Places of the right answers in the gallery, for each query; queries of a class share one array.
        left_out: Places that a query is not offered, right or not.
        gallery: How many answers there are.
    """

    direction: str
    queries: np.ndarray
    names: tuple[str, ...]
    groups: tuple[str, ...]
    right: tuple[np.ndarray, ...]
    left_out: tuple[np.ndarray, ...] | None
    gallery: int


def retrieval(material: Material) -> Chapter:
    """How well images and texts find each other: by captions where there are some, and by labels among images.

    Intervals are over images with all their captions, or over their groups.

    Returns:
        retrieval: direction, model, metric ("recall@1", "recall@5", "recall@10", "map", "median_rank"), value, low,
            high, n (queries), gallery (answers).
        retrieval_pairs: direction, model_a, model_b, difference (in recall@1), low, high, n, p_value, p_adjusted,
            verdict.
        retrieval_cut: model, note; where a model's texts were longer than it reads.
    """
    cut: dict[str, str] = {}
    found = list(_searches(material, cut))
    if not found:
        raise NotMeasurable("Search needs captions, or classes with two test images.")
    resampling = Resampling(seed=material.plan.seed)
    table = pd.concat([_metrics(search, model, one, resampling) for search, model, one in found], ignore_index=True)
    pairs = compare_pairs(
        pd.concat([_decisions(*each) for each in found], ignore_index=True),
        margin=material.plan.margin,
        seed=material.plan.seed,
    )
    headline = _headline(table, pairs)
    says = (
        (f"To search, {headline[0].lower()}{headline[1:]}.",) if table["direction"].isin(DIRECTIONS[:2]).any() else ()
    )
    renamed = pairs.rename(columns={"measure": "direction"})
    columns = ["direction", "model_a", "model_b", "difference", "low", "high", "n", "p_value", "p_adjusted", "verdict"]
    tables = {"retrieval": table, "retrieval_pairs": renamed[columns]}
    if cut:
        tables["retrieval_cut"] = pd.DataFrame(list(cut.items()), columns=["model", "note"])
    return Chapter(tables=tables, headline=headline, says=says)


def _searches(material: Material, cut: dict[str, str]) -> Iterator[tuple[Search, str, Retrieved]]:
    """Every direction of every model that can be asked it, direction by direction; `cut` takes notes of texts."""
    test = material.plan.part("test")
    known = captioned(test)
    place = {sample.id: number for number, sample in enumerate(test)}
    captions_of = [place[sample.id] for sample in known.samples]
    texts: dict[str, np.ndarray] = {}
    for search in (*_by_captions(known), *_by_labels(test)):
        for encoder in material.plan.encoders:
            material.progress(f"search by {encoder.name}", 0, 1)
            images = material.embed(encoder, test, material.view)
            with suppress(NotMeasurable):  # it reads no texts, or its vectors are no numbers
                if search.direction == "image_to_image":
                    queries, gallery = images[search.queries], images
                else:
                    if encoder.name not in texts:
                        texts[encoder.name], notes = encode_captions(encoder, known.texts)
                        if notes:
                            cut[encoder.name] = notes["captions"]
                    queries, gallery = images[captions_of], texts[encoder.name]
                if search.direction == "text_to_image":
                    queries, gallery = gallery, queries
                yield search, encoder.name, retrieve(queries, gallery, search.right, search.left_out)


def _by_captions(known: Captioned) -> list[Search]:
    if len(known.texts) < 2 or len(known.samples) < 2:
        return []
    own = [sample.group or sample.id for sample in known.samples]
    texts, images = np.arange(len(known.texts)), np.arange(len(known.samples))
    return [
        Search(
            direction="text_to_image",
            queries=texts,
            names=tuple(f"text {number}" for number in texts),
            groups=tuple(own[right[0]] for right in known.of_text),
            right=known.of_text,
            left_out=None,
            gallery=len(images),
        ),
        Search(
            direction="image_to_text",
            queries=images,
            names=tuple(sample.id for sample in known.samples),
            groups=tuple(sample.group for sample in known.samples),
            right=known.of_image,
            left_out=None,
            gallery=len(texts),
        ),
    ]


def _by_labels(test: Sequence[Sample]) -> list[Search]:
    """Another image of the class. Images of the query's own group do not count, unless each class is one group."""
    of_class, of_group = (_places([getattr(sample, name) or "" for sample in test]) for name in ("label", "group"))
    spread = any(len({test[place].group for place in places} - {""}) > 1 for places in of_class.values())
    in_both = Counter((sample.label, sample.group) for sample in test)
    asked, kin = [], []
    for number, sample in enumerate(test):
        together = bool(spread and sample.group)
        own = in_both[sample.label, sample.group] if together else 1
        if sample.label is not None and len(of_class[sample.label]) > own:
            asked.append(number)
            kin.append(of_group[sample.group] if together else np.array([number]))
    if not asked:
        return []
    return [
        Search(
            direction="image_to_image",
            queries=np.array(asked),
            names=tuple(test[number].id for number in asked),
            groups=tuple(test[number].group for number in asked),
            right=tuple(of_class[str(test[number].label)] for number in asked),
            left_out=tuple(kin),
            gallery=len(test),
        )
    ]


def _places(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Where each name stands that is not ""."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        if name:
            places[name].append(number)
    return {name: np.array(own) for name, own in places.items()}


def _metrics(search: Search, model: str, found: Retrieved, resampling: Resampling) -> pd.DataFrame:
    hits = [found.rank <= first for first in FIRST]
    values = np.column_stack([*hits, found.average_precision]).astype(float)
    strata = strata_of(np.zeros(len(values), int), number_groups(search.groups))
    estimates = estimate_accuracies(values, np.ones_like(values), strata, resampling)
    median, low, high = _median(found.rank, strata, resampling)
    return pd.DataFrame(
        {
            "direction": search.direction, "model": model,
            "metric": [*(f"recall@{first}" for first in FIRST), "map", "median_rank"],
            "value": [*estimates.value, median], "low": [*estimates.low, low], "high": [*estimates.high, high],
            "n": len(values), "gallery": search.gallery,
        }
    )  # fmt: skip


def _median(rank: np.ndarray, strata: np.ndarray, resampling: Resampling) -> tuple[float, float, float]:
    """The median rank; its interval by that of the share of ranks up to it (Woodruff 1952)."""
    median = float(np.quantile(rank, 0.5, method="inverted_cdf"))
    below = (rank <= median).astype(float)[:, None]
    share = estimate_accuracies(below, np.ones_like(below), strata, resampling)
    tails = np.clip([0.5 - (share.value[0] - share.low[0]), 0.5 + (share.high[0] - share.value[0])], 0, 1)
    low, high = np.quantile(rank, tails, method="inverted_cdf")
    return median, float(min(low, median)), float(max(high, median))


def _decisions(search: Search, model: str, found: Retrieved) -> pd.DataFrame:
    """As `compare_pairs` reads them: right where the first answer is."""
    right = found.rank == 1
    return pd.DataFrame(
        {
            "sample": search.names, "model": model, "view": "", "measure": search.direction, "draw": 0,
            "label": "right", "predicted": np.where(right, "right", "wrong"), "rank": found.rank,
            "group": search.groups,
        }
    )  # fmt: skip


def _headline(table: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """The best by recall@1 in the first direction there is, and whether a test tells it from the next."""
    direction = table["direction"].iloc[0]
    rows = table[(table["direction"] == direction) & (table["metric"] == "recall@1")]
    rows = rows.sort_values("value", ascending=False, kind="stable")
    best = rows.iloc[0]
    what = {"text_to_image": "texts find their image", "image_to_text": "images find a text of theirs"}
    share = percent(best["value"], best["low"], best["high"])
    found = (
        f"with {best['model']} {share} of {best['n']:,} {what.get(direction, 'images find one of their class')} first"
    )
    if len(rows) == 1:
        return f"{found[0].upper()}{found[1:]} of {best['gallery']:,}"
    second = rows.iloc[1]["model"]
    own = pairs[(pairs["measure"] == direction) & (pairs["model_a"] == best["model"]) & (pairs["model_b"] == second)]
    if len(own) and is_separable(own).iloc[0]:
        row = own.iloc[0]
        lead = points_with_interval(row["difference"], row["low"], row["high"])
        return (
            f"{found[0].upper()}{found[1:]}, {lead} more than with {second} (adjusted {p_in_words(row['p_adjusted'])})"
        )
    return f"{found[0].upper()}{found[1:]}, not separable from {second}"
