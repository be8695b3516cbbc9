"""What to use for what: one line a situation, each with its evidence and how sure it is. "Can't tell yet" is an answer.

Nothing is measured here: the lines follow from the accuracies, the paired tests, the costs and the earlier chapters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import nan

import numpy as np
import pandas as pd

from visavis.study.answers import answers_of
from visavis.study.bootstrap import LEVEL, Resampling, estimate_contrasts, resampled_means, tails
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.ensemble import chosen_together
from visavis.study.pairs import compare_pairs
from visavis.study.standing import Standing, read_standings
from visavis.study.verdict import (
    MANY_VIEWS,
    WITH_EXAMPLES,
    WITHOUT_EXAMPLES,
    headline_measure,
    means_of,
    what_would_tell,
)
from visavis.study.wording import listed, p_in_words, points_with_interval

JOINED = " + "  # between the names of several models in one cell
FEW = 4  # labelled images of a class


@dataclass(frozen=True, kw_only=True)
class Line:
    """A situation and what to use in it.

    Attributes:
        situation: "accuracy", "no_labels", "few_labels", "labels", "change", "together", "speed" or "size".
        choice: The model, or several joined by `JOINED` where they are to be used together; "" where none can be named.
        certainty: "shown" by a test; "open" where no test tells it from its rivals; "counted" from the network;
            "alone" where there is no other model; "missing" where nothing was measured.
        rivals: Models that cannot be told from the best, joined; the best stands first. "" where one is shown.
        evidence: A sentence.
        measure: What decided, or "".
        metric: Of value: "accuracy", "images_per_s" or "params".
        value: Of the best model, with low, high and n.
        source: The table that it follows from.
    """

    situation: str
    choice: str = ""
    certainty: str
    rivals: str = ""
    evidence: str
    measure: str = ""
    metric: str = "accuracy"
    value: float = nan
    low: float = nan
    high: float = nan
    n: float = nan
    source: str = ""


def recommend(material: Material) -> Chapter:
    """A table with one row for each situation; see `Line`."""
    results = material.results
    accuracies = results[results["metric"] == "accuracy"]
    costs = results[results["model"].isin(accuracies["model"])]  # who cannot do the task is no choice for its speed
    standings = read_standings(accuracies, material.pairs, material.view.name)
    lines = [
        _for_accuracy(material, standings),
        _by_measures("no_labels", standings, WITHOUT_EXAMPLES, "None of these models can name these classes unseen."),
        _for_few_labels(material),
        _by_measures("labels", standings, WITH_EXAMPLES, "No measure that learns from labelled images was taken."),
        _under_change(material, headline_measure(standings)),
        _together(material),
        _for_speed(costs),
        _for_size(costs),
    ]
    return Chapter(tables={"recommend": pd.DataFrame(map(asdict, lines))}, headline=_headline(lines))


def _for_accuracy(material: Material, standings: dict[str, Standing]) -> Line:
    """Each model by the measure that suits it best, labelled images or not."""
    cells = pd.concat([standing.rows.reset_index() for standing in standings.values()])
    best = cells.sort_values("value", ascending=False, kind="stable").drop_duplicates("model")
    if best["measure"].nunique() == 1:
        return _of_standing("accuracy", standings[str(best["measure"].iloc[0])])
    keys = pd.MultiIndex.from_frame(best[["model", "measure"]])
    own = material.predictions[material.predictions["view"] == material.view.name]
    own = own[pd.MultiIndex.from_frame(own[["model", "measure"]]).isin(keys)]
    together = best.assign(measure="any", view=material.view.name)
    pairs = compare_pairs(own.assign(measure="any"), seed=material.plan.seed)
    standing = read_standings(together, pairs, material.view.name)["any"]
    how = "; ".join(f"{row.model} {means_of(row.measure)}" for row in best.itertuples())
    return _of_standing("accuracy", standing, source="predictions", more=f" Each at its best: {how}.")


def _by_measures(situation: str, standings: dict[str, Standing], measures: Sequence[str], missing: str) -> Line:
    """By that of the measures which covers most models; of several, the one whose best is right most often."""
    there = [standings[name] for name in measures if name in standings]
    if not there:
        return Line(situation=situation, certainty="missing", evidence=missing)
    return _of_standing(situation, max(there, key=lambda one: (len(one.rows), one.rows.iloc[0]["value"])))


def _of_standing(situation: str, standing: Standing, source: str = "pairs", more: str = "") -> Line:
    """What the paired tests of one measure show."""
    row, best = standing.rows.iloc[0], standing.best
    if len(standing.rows) == 1:
        certainty, evidence = "alone", f"There is no other model to compare it with {means_of(standing.measure)}."
    elif standing.rivals:
        first = standing.rivals[0]
        told = what_would_tell(standing.leads.get(first), " the first two" if len(standing.rivals) > 1 else "")
        certainty = "open"
        evidence = f"These {int(row['n']):,} images do not tell {best} from {_few(standing.rivals)}: {told}."
    else:
        second = str(standing.rows.index[1])
        lead = standing.leads[second]
        gap = points_with_interval(lead.difference, lead.low, lead.high)
        certainty, evidence = "shown", f"{gap} more than {second} (adjusted {p_in_words(lead.p_adjusted)})."
    return Line(
        situation=situation, choice="" if certainty == "open" else best, certainty=certainty,
        rivals=JOINED.join([best, *standing.rivals]) if standing.rivals else "", evidence=evidence + more,
        measure=standing.measure, value=row["value"], low=row["low"], high=row["high"], n=row["n"], source=source,
    )  # fmt: skip


def _for_few_labels(material: Material) -> Line:
    """From the chapter on few shots, where there is one: at most `FEW` labelled images of a class."""
    chapter = material.earlier.get("few_shot")
    table = chapter.tables.get("few_shot") if chapter else None
    if table is None or not {"model", "shots", "value", "low", "high"} <= set(table):
        return Line(situation="few_labels", certainty="missing", evidence="No curve over few labels was measured.")
    few = table[(table["shots"] > 0) & (table["shots"] <= FEW)]
    rows = few[few["shots"] == few["shots"].max()].drop_duplicates("model")
    if rows.empty:
        return Line(situation="few_labels", certainty="missing", evidence=f"No curve begins at {FEW} labels or fewer.")
    return _by_intervals("few_labels", rows, f"with {rows['shots'].iloc[0]:g} labelled images a class", "few_shot")


def _by_intervals(situation: str, rows: pd.DataFrame, where: str, source: str, metric: str = "accuracy") -> Line:
    """Without a paired test: shown only where the best one's interval lies above all others'."""
    ranked = rows.sort_values("value", ascending=False, kind="stable")
    best, others = ranked.iloc[0], ranked.iloc[1:]
    rivals = [str(row.model) for row in others.itertuples() if not best["low"] > row.high]
    name = str(best["model"])
    if others.empty:
        certainty, evidence = "alone", f"There is no other model to compare it with {where}."
    elif rivals:
        certainty, evidence = "open", f"The intervals of {_few([name, *rivals])} overlap, {where}."
    else:
        certainty, evidence = "shown", f"Its interval lies above all others’ {where}."
    return Line(
        situation=situation, choice=name if not rivals else "", certainty=certainty,
        rivals=JOINED.join([name, *rivals]) if rivals else "", evidence=evidence, metric=metric,
        value=best["value"], low=best["low"], high=best["high"], n=best.get("n", nan), source=source,
    )  # fmt: skip


def _under_change(material: Material, measure: str) -> Line:
    """The mean over all views but the first, on the same images; intervals after Bonferroni for the best's pairs."""
    rows = material.predictions
    rows = rows[(rows["measure"] == measure) & (rows["view"] != material.view.name)]
    views = list(dict.fromkeys(rows["view"]))
    if not views:
        told = [material.earlier[name].headline for name in ("shift", "robustness") if name in material.earlier]
        evidence = " ".join(f"{sentence}." for sentence in told) or "No changed view of the images was measured."
        return Line(situation="change", certainty="open" if told else "missing", evidence=evidence)
    answers = answers_of(rows)
    models = list(dict.fromkeys(cell.model for cell in answers.cells))
    by_model = [[place for place, cell in enumerate(answers.cells) if cell.model == model] for model in models]
    right = np.column_stack([answers.right[:, places].mean(axis=1) for places in by_model])  # [images, models]
    return _by_contrasts(material, models, right, answers.strata, f"over {_many(views)}", measure)


def _by_contrasts(
    material: Material, models: list[str], right: np.ndarray, strata: np.ndarray, where: str, measure: str
) -> Line:
    """Of right answers, [images, models], the best model: shown where its lead over each other one leaves out 0."""
    asked = ~np.isnan(right).any(axis=1)
    right, strata = right[asked], strata[asked]
    order = np.argsort(-right.mean(axis=0), kind="stable")
    best, others = models[order[0]], [models[place] for place in order[1:]]
    own, seed = right[:, [order[0]]], material.plan.seed
    means = resampled_means(own, np.ones_like(own), strata, Resampling(seed=seed))
    low, high = np.quantile(means, tails(strata, LEVEL))
    line = Line(
        situation="change", certainty="alone", evidence=f"There is no other model to compare it with {where}.",
        measure=measure, value=own.mean(), low=low, high=high, n=len(own), source="predictions", choice=best,
    )  # fmt: skip
    if not others:
        return line
    resampling = Resampling(level=1 - (1 - LEVEL) / len(others), seed=seed)
    found = estimate_contrasts(own - right[:, order[1:]], strata, np.ones(len(others)), resampling)
    rivals = [name for name, end in zip(others, found.low, strict=True) if end <= 0]
    if rivals:
        evidence = f"No test tells {best} from {_few(rivals)} {where}."
        return replace(line, certainty="open", choice="", rivals=JOINED.join([best, *rivals]), evidence=evidence)
    gap = points_with_interval(found.value[0], found.low[0], found.high[0])
    return replace(line, certainty="shown", evidence=f"{gap} more than {others[0]}, {where}.")


def _together(material: Material) -> Line:
    """Whether several models beat the best one alone."""
    chapter = material.earlier.get("ensemble")
    if chapter is None:
        return Line(situation="together", certainty="missing", evidence="No ensemble was judged.")
    found = chosen_together(material, chapter.tables["ensemble"])
    if found is None:
        single = str(chapter.tables["ensemble"]["single"].iloc[0])
        return Line(situation="together", certainty="open", rivals=single, evidence=f"{chapter.headline}.")
    return Line(
        situation="together", choice=str(found["members"]), certainty="shown", evidence=f"{chapter.headline}.",
        measure=str(found["measure"]), value=found["value"], low=found["low"], high=found["high"], n=found["n"],
        source="ensemble",
    )  # fmt: skip


def _for_speed(results: pd.DataFrame) -> Line:
    timed = results[results["metric"] == "images_per_s"]
    if timed.empty:
        return Line(situation="speed", certainty="missing", evidence="No model was timed.")
    line = _by_intervals("speed", timed, "timed on this machine", "results", "images_per_s")
    if line.certainty != "shown":
        return line
    slower = timed[timed["model"] != line.choice].sort_values("value").iloc[-1]
    gain = f"{line.value / slower['value']:.2g} times as fast as {slower['model']}"
    return replace(line, evidence=f"{gain}; its slowest timing beats all others’ fastest.")


def _for_size(results: pd.DataFrame) -> Line:
    """By parameters, which are counted: nothing is uncertain about them."""
    params = results[results["metric"] == "params"].sort_values("value", kind="stable")
    if params.empty:
        return Line(situation="size", certainty="missing", evidence="No parameters were counted.")
    least = params["value"].iloc[0]
    smallest = params.loc[params["value"] == least, "model"].tolist()
    others = params[params["value"] > least]
    than = f"{1 - least / others['value'].iloc[0]:.0%} fewer than {others['model'].iloc[0]}" if len(others) else "equal"
    if len(smallest) > 1:
        evidence = f"{listed(smallest)} have equally many parameters."
        return Line(
            situation="size", certainty="open", rivals=JOINED.join(smallest), evidence=evidence, metric="params",
            value=least, source="results",
        )  # fmt: skip
    evidence = f"The fewest parameters, {than}." if len(others) else "There is no other model to compare it with."
    return Line(
        situation="size", choice=smallest[0], certainty="counted" if len(others) else "alone", evidence=evidence,
        metric="params", value=least, source="results",
    )  # fmt: skip


def _headline(lines: Sequence[Line]) -> str:
    """Whether one model does for all."""
    single = list(_distinct(lines, lambda line: line.situation != "together" and line.certainty == "shown"))
    if not single:
        return "These images do not tell yet which model to use"
    if len(single) == 1:
        return f"{single[0]}, wherever the tests can tell"
    return f"It depends on what counts: {listed(single)} each lead somewhere"


def _many(views: Sequence[str]) -> str:
    """Views by name where they are few, else their number."""
    return listed(views) if len(views) <= MANY_VIEWS else f"{len(views)} changed views"


def _few(names: Sequence[str]) -> str:
    """Names in a sentence that stays short."""
    return listed(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} others"


def _distinct(lines: Sequence[Line], wanted: Callable[[Line], bool]) -> Iterator[str]:
    yield from dict.fromkeys(line.choice for line in lines if wanted(line))
