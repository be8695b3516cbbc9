"""What a few labelled images give, and how many of them naming without examples is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from visavis.data.views import parse_view
from visavis.evaluate.few_shot import few_shot as fit_probes
from visavis.evaluate.few_shot import shots_of, worth_in_shots
from visavis.evaluate.scores import NotMeasurable
from visavis.study.bootstrap import Resampling, estimate_accuracies, resampled_means, tails
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import OWN_MEANS, Tested, images_of
from visavis.study.wording import percent

DRAWS = 10  # of the labelled images
MOST_IMAGES = 10_000  # labelled at once, so that ten draws stay short beside the encoding


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """Right answers of one model's probes, float64 [images, shots, draws], and of its naming, [images] if it names."""

    model: str
    right: np.ndarray
    naming: np.ndarray | None


def few_shot(material: Material) -> Chapter:
    """Accuracy of linear probes on 1, 2, 4, 8 … training images of each class, and where they pass naming.

    Intervals are over test images, the draws averaged; the range is over draws, the images held.

    Returns:
        few_shot: model, shots (images of a class), images (of all classes), draws, value, low, high, draw_low,
            draw_high, n.
        few_shot_worth: model, naming (accuracy without examples), shots (at which a probe does as well; 0 where the
            least are enough, infinite where the most are not), low, high, least, most (shots tried), n.
    """
    plan, images = material.plan, images_of(material)
    train = plan.part("train")
    column = {name: number for number, name in enumerate(plan.classes)}
    truth = np.array([column[str(sample.label)] for sample in train])
    shots = shots_of(truth, MOST_IMAGES) if len(train) else ()
    if not shots:
        raise NotMeasurable("Few-shot probes need training images, at most 10,000 for one of each class.")
    curves = _curves(material, images, truth, shots)
    resampling = Resampling(seed=plan.seed)
    counts = np.unique(truth, return_counts=True)[1]
    labelled = [int(np.minimum(counts, shot).sum()) for shot in shots]
    table = pd.concat([_accuracies(curve, shots, labelled, images, resampling) for curve in curves], ignore_index=True)
    rows = [_worth(curve, shots, images, resampling) for curve in curves if curve.naming is not None]
    worth = pd.DataFrame(rows, columns=["model", "naming", "shots", "low", "high", "least", "most", "n"])
    return Chapter(tables={"few_shot": table, "few_shot_worth": worth}, headline=_headline(table, worth))


def _curves(material: Material, images: Tested, truth: np.ndarray, shots: tuple[int, ...]) -> list[_Curve]:
    plan = material.plan
    curves = []
    for encoder in plan.encoders:
        train = material.features(encoder, plan.part("train"), parse_view("clean"))
        test = material.features(encoder, plan.part("test"), material.view)[images.order]
        right = np.empty((len(test), len(shots), DRAWS))
        for shot, draw, answers in fit_probes(train, truth, test, shots, DRAWS, plan.seed):
            right[:, shots.index(shot), draw] = answers == images.truth
            material.progress(f"few-shot probes of {encoder.name}", draw + 1, DRAWS)
        means = next((name for name in OWN_MEANS if (name, encoder.name) in material.probabilities), None)
        naming = None
        if means is not None:
            answers = material.probabilities[means, encoder.name][images.order].argmax(axis=1)
            naming = (answers == images.truth).astype(float)
        curves.append(_Curve(model=encoder.name, right=right, naming=naming))
    return curves


def _accuracies(
    curve: _Curve, shots: tuple[int, ...], labelled: list[int], images: Tested, resampling: Resampling
) -> pd.DataFrame:
    over_draws = curve.right.mean(axis=2)  # [images, shots]
    found = estimate_accuracies(over_draws, np.ones_like(over_draws), images.strata, resampling)
    by_draw = curve.right.mean(axis=0)  # [shots, draws]
    return pd.DataFrame(
        {
            "model": curve.model, "shots": shots, "images": labelled, "draws": DRAWS, "value": found.value,
            "low": found.low, "high": found.high, "draw_low": by_draw.min(axis=1), "draw_high": by_draw.max(axis=1),
            "n": found.n,
        }
    )  # fmt: skip


def _worth(curve: _Curve, shots: tuple[int, ...], images: Tested, resampling: Resampling) -> tuple[object, ...]:
    """The crossing, and its interval from resamples that the curve and naming share."""
    assert curve.naming is not None, "asked only of models that name"
    both = np.column_stack([curve.right.mean(axis=2), curve.naming])
    draws = resampled_means(both, np.ones_like(both), images.strata, resampling)
    crossings = worth_in_shots(shots, draws[:, :-1], draws[:, -1])
    value = float(worth_in_shots(shots, both[:, :-1].mean(axis=0), both[:, -1].mean()))
    ends = tails(images.strata, resampling.level)
    low, high = np.quantile(crossings, ends, method="inverted_cdf")  # a resample's own: none lies between 16 and never
    return curve.model, curve.naming.mean(), value, low, high, shots[0], shots[-1], len(both)


def _headline(table: pd.DataFrame, worth: pd.DataFrame) -> str:
    """What the best naming is worth; without one, the best probe on the most images."""
    if worth.empty:
        most = table[table["shots"] == table["shots"].max()]
        best = most.sort_values("value", ascending=False, kind="stable").iloc[0]
        share = percent(best["value"], best["low"], best["high"])
        return f"With {best['shots']:g} labelled images of a class, {best['model']} has {share} right"
    best = worth.sort_values("naming", ascending=False, kind="stable").iloc[0]
    return f"What {best['model']} names without examples is worth {_in_words(best)} of each class"


def _in_words(row: pd.Series) -> str:
    """The number with its interval, or the bound that is known."""
    if row["shots"] == 0:
        return f"no more than {row['least']:g} labelled image"
    if np.isinf(row["shots"]):
        return f"more than {row['most']:g} labelled images"
    low = f"{row['low']:.1f}" if row["low"] else f"under {row['least']:g}"
    high = f"{row['high']:.1f}" if np.isfinite(row["high"]) else f"over {row['most']:g}"
    return f"{row['shots']:.1f} [{low}, {high}] labelled images"
