"""Are several models together better than the best of them? "Use both" is a verdict, where the images show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from visavis.evaluate.calibration import fit_on_other_half, logarithms, scaled
from visavis.evaluate.ensemble import by_best_record, mixture_weights, record_by_class
from visavis.evaluate.scores import NotMeasurable
from visavis.report.tables import leading_measure
from visavis.study.bootstrap import Estimates, Resampling, estimate_accuracies, estimate_contrasts, group_sums
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import Tested, images_of, measures_shown, models_of, probabilities_of
from visavis.study.paired_tests import sign_flip
from visavis.study.pairs import holm
from visavis.study.power import ALPHA
from visavis.study.verdict import WITHOUT_EXAMPLES, means_of
from visavis.study.wording import listed, p_in_words, percent, points_with_interval

ORACLE = "oracle"  # right where any model is: what no choice among them can pass
WAYS = {
    "average": "the average of their probabilities",
    "weighted": "the average of their probabilities, with temperatures and weights fitted to labelled images,",
    "per_class": "a choice among them by class, fitted to labelled images,",
}
COLUMNS = (
    "measure", "members", "n_members", "method", "value", "low", "high", "n", "single", "difference", "difference_low",
    "difference_high", "p_value", "p_adjusted", "better", "ms", "single_ms",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Voices:
    """All models of one measure, the best first.

    Attributes:
        models: Names, [models].
        plain: Their probabilities, each [images, classes].
        tempered: The same at temperatures fitted to the other half.
        predicted: The classes they name, [images, models].
        own: Their probabilities of the true class at the temperatures fitted to the same half, [images, models];
            weights are fitted to these, so that no image of the half that is judged has a part in them.
    """

    models: list[str]
    plain: list[np.ndarray]
    tempered: list[np.ndarray]
    predicted: np.ndarray
    own: np.ndarray


def ensemble(material: Material) -> Chapter:
    """The best model together with each other one, and all together, against the best model alone.

    What is fitted (temperatures, weights, records by class) is fitted to one half of the test images and judged on the
    other, and the other way round. The model that is best on these very images is the one to beat, which favours it.

    Returns:
        ensemble: `COLUMNS`; members are joined by " + "; p_adjusted is Holm's, within the measure, over all rows but
            the oracle's; ms is the members' summed time for an image.
        ensemble_weights: measure, members, model, half (that they apply to), weight.
    """
    images = images_of(material)
    tables, weights = [], []
    for measure in measures_shown(material):
        if len(models_of(material, measure)) > 1:
            voices = _voices(material, images, measure)
            table, own_weights = _judge(material, images, voices)
            tables.append(table.assign(measure=measure))
            weights.append(own_weights.assign(measure=measure))
    if not tables:
        raise NotMeasurable("An ensemble needs two models with probabilities of one measure.")
    table = pd.concat(tables, ignore_index=True)[list(COLUMNS)]
    weight_columns = ["measure", "members", "model", "half", "weight"]
    weight_table = pd.concat(weights, ignore_index=True)[weight_columns]
    chosen = chosen_together(material, table)
    tables_by_name = {"ensemble": table, "ensemble_weights": weight_table}
    if chosen is None:
        headline_text = f"No ensemble is shown to be better than {_leading(material, table)['single'].iloc[0]} alone"
        return Chapter(tables=tables_by_name, headline=headline_text)
    names = list(weight_table.loc[weight_table["members"] == chosen["members"], "model"].unique())
    return Chapter(
        tables=tables_by_name,
        headline=f"{listed(names)} together have {_gain(chosen)} more right than {chosen['single']} alone",
        says=(_advice(chosen, names),),
    )


def _voices(material: Material, images: Tested, measure: str) -> _Voices:
    names = models_of(material, measure)
    plain = {name: probabilities_of(material, images, measure, name) for name in names}
    predicted = {name: scores.argmax(axis=1) for name, scores in plain.items()}
    ranked = sorted(names, key=lambda name: -(predicted[name] == images.truth).sum())  # of equals, the plan's first
    rows = np.arange(len(images.truth))
    tempered, own = [], []
    for name in ranked:
        logits = logarithms(plain[name])
        first, second = fit_on_other_half(logits, images.truth, images.second)
        tempered.append(scaled(logits, (first, second), images.second))
        own.append(scaled(logits, (second, first), images.second)[rows, images.truth])
    return _Voices(
        models=ranked,
        plain=[plain[name] for name in ranked],
        tempered=tempered,
        predicted=np.column_stack([predicted[name] for name in ranked]),
        own=np.column_stack(own).astype(float),
    )


def _judge(material: Material, images: Tested, voices: _Voices) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row for each set of models and each way, and the weights that were used."""
    together = [[0, other] for other in range(1, len(voices.models))]
    if len(voices.models) > 2:
        together.append(list(range(len(voices.models))))
    named, answers, weights = [], [], []
    for members in together:
        names = [voices.models[member] for member in members]
        found = [mixture_weights(voices.own[half][:, members]) for half in (images.second, ~images.second)]
        for half, own in enumerate(found, start=1):
            weights += [(" + ".join(names), name, half, weight) for name, weight in zip(names, own, strict=True)]
        for method, right in _ways(images, voices, members, found):
            named.append((" + ".join(names), len(names), method, _ms(material, names)))
            answers.append(right)
    table = pd.DataFrame(named, columns=["members", "n_members", "method", "ms"])
    single = voices.predicted[:, 0] == images.truth
    right = np.column_stack(answers).astype(float)  # [images, rows]
    table = _compared(table, right, single, images, Resampling(seed=material.plan.seed))
    table = table.assign(single=voices.models[0], single_ms=_ms(material, voices.models[:1]))
    return table, pd.DataFrame(weights, columns=["members", "model", "half", "weight"])


def _ways(
    images: Tested, voices: _Voices, members: list[int], weights: list[np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Each way's name and on which images it is right, bool [images]."""
    truth, second = images.truth, images.second
    predicted = voices.predicted[:, members]
    average = sum(voices.plain[member] for member in members)
    yield "average", np.argmax(average, axis=1) == truth
    by_image = np.where(second[:, None], weights[1], weights[0]).astype(np.float32)  # [images, members]
    mixture = sum(by_image[:, [place]] * voices.tempered[member] for place, member in enumerate(members))
    yield "weighted", np.argmax(mixture, axis=1) == truth
    chosen = np.empty_like(truth)
    for half in (second, ~second):
        record = record_by_class(predicted[~half], truth[~half], voices.plain[0].shape[1])
        chosen[half] = by_best_record(predicted[half], record)
    yield "per_class", chosen == truth
    yield ORACLE, (predicted == truth[:, None]).any(axis=1)


def _compared(
    table: pd.DataFrame, right: np.ndarray, single: np.ndarray, images: Tested, resampling: Resampling
) -> pd.DataFrame:
    """Accuracies, paired differences to the single model, and exact tests of all rows but the oracle's."""
    share: Estimates = estimate_accuracies(right, np.ones_like(right), images.strata, resampling)
    contrasts = right - single[:, None]
    gain = estimate_contrasts(contrasts, images.strata, np.ones(len(table)), resampling)
    honest = (table["method"] != ORACLE).to_numpy()
    p_value = np.where(honest, sign_flip(group_sums(contrasts, images.strata)), np.nan)
    p_adjusted = np.full(len(table), np.nan)
    p_adjusted[honest] = holm(p_value[honest])
    return table.assign(
        value=share.value, low=share.low, high=share.high, n=share.n, difference=gain.value, difference_low=gain.low,
        difference_high=gain.high, p_value=p_value, p_adjusted=p_adjusted,
        better=honest & (p_adjusted < ALPHA) & (gain.low > 0),
    )  # fmt: skip


def _ms(material: Material, models: list[str]) -> float:
    """Milliseconds for an image, summed over the models; NaN where one was not timed."""
    results = material.results
    speeds = results[results["metric"] == "images_per_s"].set_index("model")["value"]
    return float((1000 / speeds.reindex(models)).sum(skipna=False))


def _leading(material: Material, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the measure that leads the report, or of the first there is."""
    return table[table["measure"] == leading_measure(material.results, table)]


def chosen_together(material: Material, table: pd.DataFrame) -> pd.Series | None:
    """What to use, if anything: a pair before all models, a plain average before what has to be fitted.

    Args:
        material: Of the study, for the measure that leads it.
        table: The chapter's.
    """
    leading = _leading(material, table)
    shown = leading[leading["better"]]
    if shown.empty:
        return None
    order = shown.assign(plain=shown["method"] == "average")
    return order.sort_values(["n_members", "plain", "difference"], ascending=[True, False, False]).iloc[0]


def _advice(row: pd.Series, names: list[str]) -> str:
    """What to use, what it gets, and what it costs."""
    who = "both" if len(names) == 2 else "all of"
    cost = f"Where {row['ms']:.2g} ms an image in place of {row['single_ms']:.2g} are no burden, use"
    start = cost if row["ms"] > 0 else "Better still, use"
    means = f" {means_of(row['measure'])}"
    if row["method"] != "average" and row["measure"] in WITHOUT_EXAMPLES:
        means = ""  # what is fitted has seen examples
    return (
        f"{start} {who} {listed(names)}: {WAYS[row['method']]} gets "
        f"{percent(row['value'], row['low'], row['high'])} right{means}, {_gain(row)} more than {row['single']} alone "
        f"(adjusted {p_in_words(row['p_adjusted'])})."
    )


def _gain(row: pd.Series) -> str:
    return points_with_interval(row["difference"], row["difference_low"], row["difference_high"])
