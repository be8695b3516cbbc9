"""Maps of the test images side by side: what lies near what, for each model, in the same colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.evaluate.maps import likeness, pair_moments, principal_map, sectors_of, spread_out, turn_onto
from visavis.evaluate.neighbours import clusters
from visavis.evaluate.scores import NotMeasurable, require_finite
from visavis.study.answers import number_groups
from visavis.study.bootstrap import LEVEL, Resampling, resampled_means, strata_of, tails
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.wording import percent

POINTS = 2000  # the most a page can draw of each model
COLOURS = 8  # as many as the eye keeps apart
PICTURES = 24


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """The images on the maps; `classes` number their labels, which `names` hold; `strata` are those of `strata_of`."""

    samples: tuple[Sample, ...]
    rows: np.ndarray
    classes: np.ndarray
    names: np.ndarray
    strata: np.ndarray


def maps(material: Material) -> Chapter:
    """Principal components of each model's vectors, turned onto the first model's.

    Returns:
        maps: sample, model, x, y, colour (0 to 7, of the image's class, the same for all models), label where there
            are no more classes than colours, pictured (whether its picture is shown).
        maps_fit: model, explained (share of the spread on the two axes), value, low, high, n: the share of its map's
            spread that the first model's map explains; NaN for the first.
    """
    shown = _choose(material)
    found = {}
    for encoder in material.plan.encoders:
        vectors = material.embed(encoder, material.plan.part("test"), material.view)[shown.rows]
        require_finite(vectors)
        if vectors.shape[1] < 2:
            raise NotMeasurable(f"The vectors of {encoder.name} have one dimension only.")
        try:
            found[encoder.name] = principal_map(vectors)
        except ValueError as reason:
            raise NotMeasurable(f"There is no map of {encoder.name}: {reason}.") from reason
    first = next(iter(found.values())).places
    turned = {model: turn_onto(one.places, first) for model, one in found.items()}
    pictured = spread_out(first, PICTURES)
    fit = pd.DataFrame(
        [
            {"model": model, "explained": found[model].explained, **_alike(first, places, shown, material.plan.seed)}
            for model, places in turned.items()
        ]
    )
    fit.loc[0, ["value", "low", "high"]] = np.nan  # the first is like itself
    tables = {"maps": _places(turned, shown, first, pictured), "maps_fit": fit}
    pictures = tuple(shown.samples[place].id for place in pictured)
    return Chapter(tables=tables, headline=_headline(fit), pictures=pictures)


def _choose(material: Material) -> _Shown:
    """All test images, or as many of them as a page can draw."""
    test = material.plan.part("test")
    if len(test) < 3:
        raise NotMeasurable(f"{len(test)} test images make no map.")
    rows = np.arange(len(test))
    if len(test) > POINTS:
        rows = np.sort(np.random.default_rng(material.plan.seed).choice(rows, POINTS, replace=False))
    samples = tuple(test[row] for row in rows)
    names, classes = np.unique(_coloured_by(material, samples, rows), return_inverse=True)
    strata = strata_of(classes, number_groups([sample.group for sample in samples]))
    return _Shown(samples=samples, rows=rows, classes=classes, names=names, strata=strata)


def _coloured_by(material: Material, samples: tuple[Sample, ...], rows: np.ndarray) -> list[str]:
    """The images' labels; without any, the clusters of the first model."""
    if any(sample.label is not None for sample in samples):
        return [str(sample.label) for sample in samples]
    first = material.plan.encoders[0]
    vectors = material.embed(first, material.plan.part("test"), material.view)
    own, _ = clusters(vectors, COLOURS, material.plan.seed)
    return [f"cluster {number + 1} of {first.name}" for number in own[rows]]


def _alike(first: np.ndarray, places: np.ndarray, shown: _Shown, seed: int) -> dict[str, float]:
    """Likeness with its interval over images, for axes that are held fixed."""
    moments = pair_moments(first, places)
    resampling = Resampling(seed=seed)
    means = resampled_means(moments, np.ones_like(moments), shown.strata, resampling)
    low, high = np.nanquantile(likeness(means), tails(shown.strata, LEVEL))
    value = float(likeness(moments.mean(axis=0)))
    return {"value": value, "low": min(low, value), "high": max(high, value), "n": len(places)}


def _places(turned: dict[str, np.ndarray], shown: _Shown, first: np.ndarray, pictured: list[int]) -> pd.DataFrame:
    few = len(shown.names) <= COLOURS
    colours = np.arange(len(shown.names)) if few else sectors_of(first, shown.classes, COLOURS)
    known = {
        "sample": [sample.id for sample in shown.samples],
        "colour": colours[shown.classes],
        "label": shown.names[shown.classes] if few else "",
        "pictured": np.isin(np.arange(len(first)), pictured),
    }
    tables = [
        pd.DataFrame({**known, "model": model, "x": places[:, 0].round(4), "y": places[:, 1].round(4)})
        for model, places in turned.items()
    ]
    return pd.concat(tables, ignore_index=True)[["sample", "model", "x", "y", "colour", "label", "pictured"]]


def _headline(fit: pd.DataFrame) -> str:
    first, others = fit.iloc[0], fit.iloc[1:].sort_values("value", ascending=False, kind="stable")
    if others.empty:
        return f"Two axes hold {100 * first['explained']:.0f}% of the spread of {first['model']}’s vectors"
    most, least = others.iloc[0], others.iloc[-1]
    explained = (
        f"{first['model']}’s map explains {percent(most['value'], most['low'], most['high'])} of {most['model']}’s"
    )
    if len(others) == 1:
        return explained
    return f"{explained}, {percent(least['value'], least['low'], least['high'])} of {least['model']}’s"
