"""Images without labels: which other images are near each one, and which form a cluster, model by model."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.evaluate.neighbours import clusters, clusters_alike, nearest, shared_neighbours
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.over_images import over_images
from visavis.study.wording import listed, percent

NEAREST = 10
CLUSTERS = 8  # as many as the eye keeps apart; that is no claim that there are eight kinds
PICTURES = 5  # of a cluster


def neighbours(material: Material) -> Chapter:
    """How many of an image's nearest ones two models have in common, how alike their clusters are, and what these show.

    Returns:
        neighbours: model_a, model_b, value (share of the `NEAREST` that are common), low, high, n, chance (that share
            of models that have nothing to do with each other), clusters_alike (adjusted mutual information).
        clusters: model, cluster (1 is the largest), images.
        clusters_shown: model, cluster, sample: the images nearest to its middle.
    """
    test = material.plan.part("test")
    count = min(NEAREST, len(test) - 1)
    near, found = {}, {}
    for encoder in material.plan.encoders:
        material.progress(f"neighbours by {encoder.name}", 0, 1)
        vectors = material.embed(encoder, test, material.view)
        near[encoder.name] = nearest(vectors, count)
        found[encoder.name] = clusters(vectors, CLUSTERS, material.plan.seed)
    pairs = _pairs(near, {model: own for model, (own, _) in found.items()}, test, material.plan.seed)
    sizes = [
        (model, cluster + 1, size) for model, (own, _) in found.items() for cluster, size in enumerate(np.bincount(own))
    ]
    shown = [
        (model, cluster + 1, test[row].id)
        for model, (own, distance) in found.items()
        for cluster in range(own.max() + 1)
        for row in _middle(own == cluster, distance)
    ]
    headline = _headline(pairs, count, len(test))
    return Chapter(
        tables={
            "neighbours": pairs,
            "clusters": pd.DataFrame(sizes, columns=["model", "cluster", "images"]),
            "clusters_shown": pd.DataFrame(shown, columns=["model", "cluster", "sample"]),
        },
        headline=headline,
        says=(f"{headline}.",) if len(pairs) else (),
        pictures=tuple(dict.fromkeys(sample for _, _, sample in shown)),
    )


def _pairs(
    near: dict[str, np.ndarray], found: dict[str, np.ndarray], test: tuple[Sample, ...], seed: int
) -> pd.DataFrame:
    """Intervals are over images that look for neighbours, among all that are there."""
    columns = ["model_a", "model_b", "value", "low", "high", "n", "chance", "clusters_alike"]
    both = list(combinations(near, 2))
    if not both:
        return pd.DataFrame(columns=columns)
    shared = np.column_stack([shared_neighbours(near[a], near[b]) for a, b in both])
    estimated = over_images(shared, test, seed)
    return estimated.assign(
        model_a=[a for a, _ in both],
        model_b=[b for _, b in both],
        chance=near[both[0][0]].shape[1] / (len(test) - 1),
        clusters_alike=[clusters_alike(found[a], found[b]) for a, b in both],
    )[columns]


def _middle(own: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Of a cluster's images those nearest to its middle."""
    places = np.flatnonzero(own)
    return places[np.argsort(distance[places], kind="stable")[:PICTURES]]


def _headline(pairs: pd.DataFrame, count: int, images: int) -> str:
    if pairs.empty:
        return f"{images:,} images in {CLUSTERS} clusters"
    least, most = pairs.iloc[pairs["value"].argmin()], pairs.iloc[pairs["value"].argmax()]
    both = listed([most["model_a"], most["model_b"]])
    said = f"Of an image’s {count} nearest images {both} have {_share(most)} in common"
    if len(pairs) == 1:
        return said
    return f"{said}, {listed([least['model_a'], least['model_b']])} {_share(least)}"


def _share(row: pd.Series) -> str:
    return percent(row["value"], row["low"], row["high"])
