"""Does the verdict survive other choices? The leading measure again, with one choice of the protocol changed each time.

Every change encodes or names anew, so this chapter is taken only where it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from visavis.data.prompts import read_prompts
from visavis.engine.encoder import DEFAULT_TEMPLATES
from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.evaluate.scores import NotMeasurable
from visavis.inspection.cost import count_macs
from visavis.report.tables import headline
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.equal_cost import at_equal_cost
from visavis.study.pairs import compare_pairs, is_separable, tie_groups
from visavis.study.plan import Plan
from visavis.study.run import run_measures
from visavis.study.summary import NAMING, summarize, with_naming
from visavis.study.unfinished import Unfinished
from visavis.zoo.preprocess import Crop

AS_IT_IS = "as chosen"


def sensitivity(material: Material) -> Chapter:
    """The lead under each choice: the leading measure's best model, the next, and how far they are apart.

    Returns:
        sensitivity: choice (the first row is the study's own), best, value, second, difference, low, high, n, separable
            (1 where a test tells them apart), same_best (1 where the study's own best is among those that none is shown
            to be better than).
    """
    view, measure = headline(material.results)
    if material.pairs[(material.pairs["view"] == view) & (material.pairs["measure"] == measure)].empty:
        raise NotMeasurable("The leading measure has one model, so no choice can change which is the best.")
    rows, not_taken = [_row(AS_IT_IS, measure, material.results, material.pairs, view)], []
    for choice, plan in _choices(material.plan, measure):
        try:
            results, pairs = _again(material, plan(), measure)
        except (NotMeasurable, UsageError):  # a network that cannot be asked so: patches that do not tile the size
            not_taken.append(choice)
            continue
        rows.append(_row(choice, measure, results, pairs, view))
    for other in _other_measures(material, view, measure):
        rows.append(_row(f"measure: {other.replace('_', ' ')}", other, material.results, material.pairs, view))
    if len(rows) < 2:
        raise NotMeasurable("None of the other choices can be taken with these models.")
    table = pd.DataFrame(rows)
    not_worse = table.pop("not_worse")
    table["same_best"] = [int(table["best"].iloc[0] in names) for names in not_worse]
    found = _headline(table, not_taken)
    return Chapter(tables={"sensitivity": table}, headline=found, says=(f"{found}.",))


def _choices(plan: Plan, measure: str) -> Iterator[tuple[str, Callable[[], Plan]]]:
    """(what is changed, a function that makes the plan with it)."""
    sizes = {encoder.image_size for encoder in plan.encoders}
    for size in sorted(sizes) if len(sizes) > 1 else ():
        yield f"all at {size} pixels", partial(_on_terms, plan, image_size=size)
    if len({count_macs(encoder.image_tower, encoder.image_size) for encoder in plan.encoders}) > 1:
        yield "equal MACs", partial(_at_equal_macs, plan)
    crops: tuple[Crop, ...] = ("center", "squash")
    for crop in crops:
        if any(encoder.preprocessing != encoder.preprocessing.cropped(crop) for encoder in plan.encoders):
            yield f"crop: {crop}", partial(_on_terms, plan, crop=crop)
    if measure in (NAMING, "zero_shot"):
        prompts = {"{}": ("{}",), DEFAULT_TEMPLATES[0]: DEFAULT_TEMPLATES, "openai-7": read_prompts(["openai-7"])}
        for name, templates in prompts.items():
            if templates != plan.templates:
                yield f"prompts: {name}", partial(replace, plan, templates=templates)


def _on_terms(plan: Plan, image_size: int | None = None, crop: Crop | None = None) -> Plan:
    """The same models opened anew, as they are where nothing else is given. Raises UsageError."""
    encoders = tuple(
        load(encoder.name, image_size=image_size or encoder.image_size, crop=crop or plan.crop)
        for encoder in plan.encoders
    )
    return replace(plan, encoders=encoders)


def _at_equal_macs(plan: Plan) -> Plan:
    """Each model cut to the cheapest one's arithmetic. Raises UsageError where that cannot be."""
    return replace(plan, encoders=at_equal_cost(plan.encoders, "macs", plan.crop))


def _again(material: Material, plan: Plan, measure: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results and pairs of the measure under another plan."""
    measures = ("classifier", "zero_shot") if measure == NAMING else (measure,)
    asked = replace(plan, views=plan.views[:1], measures=measures)
    findings = run_measures(asked, Unfinished(None), material.progress)
    if not findings.predictions:
        raise NotMeasurable("nothing could be asked")
    predictions = with_naming(pd.concat(findings.predictions, ignore_index=True))
    predictions = predictions[predictions["measure"] == measure]
    pairs = compare_pairs(predictions, margin=plan.margin, seed=plan.seed)
    return tie_groups(summarize(predictions, seed=plan.seed), pairs), pairs


def _other_measures(material: Material, view: str, measure: str) -> list[str]:
    """Measures that were taken of as many models as the leading one."""
    rows = material.results[(material.results["metric"] == "accuracy") & (material.results["view"] == view)]
    models = rows.groupby("measure", sort=False)["model"].nunique()
    return [str(name) for name in models.index[models == models[measure]] if name != measure]


def _row(choice: str, measure: str, results: pd.DataFrame, pairs: pd.DataFrame, view: str) -> dict[str, object]:
    rows = results[(results["metric"] == "accuracy") & (results["view"] == view) & (results["measure"] == measure)]
    rows = rows.sort_values("value", ascending=False, kind="stable")
    best, second = rows.iloc[0], rows.iloc[1]
    own = pairs[(pairs["view"] == view) & (pairs["measure"] == measure)]
    family = own.assign(separable=is_separable(own))
    both = {best["model"], second["model"]}
    pair = next(row for row in family.itertuples() if {row.model_a, row.model_b} == both)
    return {
        "choice": choice, "best": best["model"], "value": best["value"], "second": second["model"],
        "difference": pair.difference, "low": pair.low, "high": pair.high, "n": int(pair.n),
        "separable": int(pair.separable), "not_worse": set(rows.loc[rows["tie_group"] == 1, "model"]),
    }  # fmt: skip


def _headline(table: pd.DataFrame, not_taken: Sequence[str]) -> str:
    """In how many of the changed choices the best stays among the best, and which could not be taken."""
    own, changed = table.iloc[0], table.iloc[1:]
    kept = int(changed["same_best"].sum())
    words = f"{own['best']} stays among the best under {kept} of {len(changed)} other choices"
    words += f" (not to be had with these models: {', '.join(not_taken)})" if not_taken else ""
    lost = changed[changed["same_best"] == 0]
    if lost.empty:
        return words
    first = lost.iloc[0]
    return f"{words}; not with “{first['choice']}”, where {first['best']} is ahead of it"
