"""Do the models notice images of another kind? Scores of a folder of other images against those of the test images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from visavis.data.views import parse_view
from visavis.evaluate.out_of_distribution import (
    Separation,
    energy,
    neighbour_similarity,
    rank_kept,
    separation,
)
from visavis.evaluate.scores import NotMeasurable, require_finite, softmax, unit_rows
from visavis.study.areas import area_intervals
from visavis.study.bootstrap import Resampling, clopper_pearson, resampled_means
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import images_of
from visavis.study.wording import percent

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder

FEW = 6  # others on one side of the threshold; below, the binomial formula gives the interval, as in bootstrap.py


def out_of_distribution(material: Material) -> Chapter:
    """How well each model's scores tell the test images from the others.

    The highest probability, the highest logit and the energy are of the way a model names without examples; the
    similarity to the tenth nearest training image needs no names.

    Returns:
        out_of_distribution: model, score, metric ("auroc" or "fpr95"), value, low, high, n_own, n_others.
    """
    others = material.plan.others
    if not others:
        raise NotMeasurable("No folder of other images was given (--others FOLDER).")
    images = images_of(material)
    test, train = material.plan.part("test"), material.plan.part("train")
    test = tuple(test[place] for place in images.order)
    resampling = Resampling(seed=material.plan.seed)
    rows = []
    for done, encoder in enumerate(material.plan.encoders, start=1):
        vectors = [
            material.embed(encoder, samples, view)
            for samples, view in ((test, material.view), (others, material.view), (train, parse_view("clean")))
        ]
        require_finite(*vectors)
        for score, own, other in _scores(material, encoder, *vectors):
            found = separation(own, other)
            known = {"model": encoder.name, "score": score, "n_own": len(own), "n_others": len(other)}
            auroc, fpr95 = _auroc(found, images.strata, resampling), _fpr95(found, own, other, resampling)
            rows += [known | {"metric": "auroc"} | auroc, known | {"metric": "fpr95"} | fpr95]
        material.progress("other images", done, len(material.plan.encoders))
    columns = ["model", "score", "metric", "value", "low", "high", "n_own", "n_others"]
    table = pd.DataFrame(rows)[columns]
    best = table[table["metric"] == "auroc"].sort_values("value", ascending=False, kind="stable").iloc[0]
    share = percent(best["value"], best["low"], best["high"])
    headline = f"{best['model']} scores a test image above another image in {share} of all pairs"
    return Chapter(tables={"out_of_distribution": table}, headline=headline)


def _scores(
    material: Material, encoder: Encoder, test: np.ndarray, others: np.ndarray, train: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each score's name and its values of the test images and of the others."""
    classifier = _classifier(material, encoder)
    if classifier is not None:
        weight, bias, normalised = classifier
        logits = [(unit_rows(part) if normalised else part) @ weight.T + bias for part in (test, others)]
        own, other = logits
        yield "max_probability", softmax(own).max(axis=1), softmax(other).max(axis=1)
        yield "max_logit", own.max(axis=1), other.max(axis=1)
        yield "energy", energy(own), energy(other)
    if len(train):
        yield "neighbours", neighbour_similarity(train, test), neighbour_similarity(train, others)


def _classifier(material: Material, encoder: Encoder) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Weight [classes, embed_dim] and bias of how a model names, and whether it takes vectors of length 1; or None."""
    plan = material.plan
    if encoder.logit_scale is not None:
        weight = encoder.zero_shot_classifier(plan.prompt_names, plan.templates)
        return encoder.logit_scale * weight, np.zeros(len(weight), np.float32), True
    if encoder.head is None:
        return None
    return encoder.head[0], encoder.head[1], False


def _auroc(found: Separation, strata: np.ndarray, resampling: Resampling) -> dict[str, float]:
    """With its interval over both kinds of images: an image's placement among the other kind (DeLong et al. 1988)."""
    n_own, n_others = len(found.own_above), len(found.other_below)
    values = np.zeros((n_own + n_others, 2))
    values[:n_own, 0], values[n_own:, 1] = found.own_above, found.other_below
    weights = np.zeros_like(values)
    weights[:n_own, 0] = weights[n_own:, 1] = 1
    both = np.concatenate([strata, _alone_in_one_stratum(strata, n_others)])
    draws = resampled_means(values, weights, both, resampling).sum(axis=1) - found.auroc
    (low,), (high,) = area_intervals(np.array([found.auroc]), draws[:, None], min(n_own, n_others), resampling)
    return {"value": found.auroc, "low": float(low), "high": float(high)}


def _alone_in_one_stratum(strata: np.ndarray, n_others: int) -> np.ndarray:
    """Strata of the other images, to stand below those of the own: one of theirs, and no groups."""
    own = np.full(n_others, strata.max() + 1)
    return own if strata.ndim == 1 else np.column_stack([own, own + np.arange(n_others)])


def _fpr95(found: Separation, own: np.ndarray, others: np.ndarray, resampling: Resampling) -> dict[str, float]:
    """With its interval: the threshold varies as an order statistic, the share above it as a binomial one.

    Both are drawn from those laws, which is what resampling the images of both folders would give.
    """
    generator = np.random.default_rng(resampling.seed)
    n, m, rank = len(own), len(others), rank_kept(len(own))
    places = (n * generator.beta(rank + 1, n - rank, resampling.draws)).astype(int)
    thresholds = np.sort(own)[np.minimum(places, n - 1)]
    share = 1 - np.searchsorted(np.sort(others), thresholds, side="left") / m
    draws = generator.binomial(m, share) / m
    low, high = np.quantile(draws, [(1 - resampling.level) / 2, (1 + resampling.level) / 2])
    above = found.fpr95 * m
    if min(above, m - above) < FEW:
        low, high = clopper_pearson(np.array(above), np.array(m), resampling.level)
    return {"value": found.fpr95, "low": float(min(low, found.fpr95)), "high": float(max(high, found.fpr95))}
