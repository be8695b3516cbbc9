"""The verdict in plain English: which model to use, by how much, and how sure that is.

It claims what the tests and intervals show and no more: a model is better only where `is_separable` says so, an effect
is told only where its interval leaves out zero, a model is faster only where its slowest timing beats the others'
fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from visavis.errors import UsageError
from visavis.study.bootstrap import LEVEL
from visavis.study.standing import Lead, Standing, read_standings
from visavis.study.summary import ANY_LABEL, ANY_LABEL_PROBE, FOUND_AGAIN, IMAGE_TO_TEXT, NAMING
from visavis.study.without_text import without_text
from visavis.study.wording import listed, margin_in_words, p_in_words, percent, points, points_with_interval

# Of measures that cover equally many models, the one to decide by: naming needs no example, a probe is the fairest test
# of what a model sees, and the last two suit one kind of model alone.
TUNED = ("fine_tuning", "wise_ft", "lora")
PREFERENCE = (NAMING, "linear_probe", "embedding_probe", *TUNED, "knn", "zero_shot", "classifier")
PARAGRAPH = "\n\n"
MANY_VIEWS = 3  # changed ones, which have one sentence in place of one each
WITH_EXAMPLES = ("linear_probe", "embedding_probe", *TUNED, "knn", ANY_LABEL_PROBE)
WITHOUT_EXAMPLES = (NAMING, "zero_shot", "classifier", IMAGE_TO_TEXT, ANY_LABEL)
MEANS = {
    NAMING: "without examples",
    "linear_probe": "with a linear probe",
    "embedding_probe": "with a linear probe of embeddings",
    "fine_tuning": "after fine-tuning",
    "wise_ft": "with WiSE-FT",
    "lora": "with LoRA",
    "knn": "by nearest neighbours",
    "zero_shot": "by zero-shot",
    "classifier": "with its own classifier",
    IMAGE_TO_TEXT: "at finding captions",
    ANY_LABEL: "at naming one of several classes",
    ANY_LABEL_PROBE: "with a linear probe for each class",
    FOUND_AGAIN: "at finding changed images again",
}


def write_verdict(
    results: pd.DataFrame,
    pairs: pd.DataFrame,
    effects: pd.DataFrame,
    models: Sequence[Mapping[str, Any]],
    chapters: Sequence[str] = (),
) -> str:
    """Two paragraphs; the first sentence is a headline that stands alone, the first paragraph what matters most.

    Args:
        results: Of `summarize`, with tie groups; cost rows may follow.
        pairs: Of `compare_pairs`; may be empty.
        effects: Of `factorial_effects`; may be empty.
        models: For each model at least "name" and "training" ("labels" or "language").
        chapters: What the study's chapters add, in sentences; the second paragraph ends with them.

    Raises:
        UsageError: The results hold no accuracy.
    """
    accuracies = results[results["metric"] == "accuracy"]
    if accuracies.empty:
        raise UsageError(f"There is no accuracy among {len(results)} results. Give the table that `summarize` makes.")
    views = list(dict.fromkeys(accuracies["view"]))
    view = "clean" if "clean" in views else views[0]
    standings = read_standings(accuracies, pairs, view)
    measure = headline_measure(standings)
    speeds = results[results["metric"] == "images_per_s"].set_index("model")
    matters = [*_lead(standings[measure], speeds), *_warning(standings[measure])]
    matters.append(
        f"Brackets hold {100 * LEVEL:g}% intervals over images; another training run or other prompts may change more."
    )
    further = [
        *_field(standings[measure]),
        *_other_means(standings, measure),
        *_effects(effects[effects["view"] == view], measure),
    ]
    shown = {name: read_standings(accuracies, pairs, name) for name in views if name != view}
    changed = {name: standings[measure] for name, standings in shown.items() if measure in standings}
    further += _under_views(standings[measure], changed)
    further += [*without_text(standings, models), *chapters]
    return PARAGRAPH.join(" ".join(sentences) for sentences in (matters, further) if sentences)


def headline_measure(standings: Mapping[str, Standing]) -> str:
    """The measure that covers most models; of several the one that stands first in `PREFERENCE`."""

    def merit(measure: str) -> tuple[int, int]:
        preference = PREFERENCE.index(measure) if measure in PREFERENCE else len(PREFERENCE)
        return len(standings[measure].rows), -preference

    return max(standings, key=merit)


def _lead(standing: Standing, speeds: pd.DataFrame) -> list[str]:
    """The headline, and what speed adds to it."""
    best = standing.best
    if len(standing.rows) == 1:
        return [f"{best} {_does(standing, of_n=True)}; there is no other model to compare it with."]
    if standing.rivals:
        return [_tie(standing), _choice([best, *standing.rivals], speeds)]
    second = str(standing.rows.index[1])
    next_best = ", the next best" if len(standing.rows) > 2 else ""
    p_value = p_in_words(standing.leads[second].p_adjusted)
    headline = (
        f"{_opening(standing)} {_does(standing, of_n=True)}, {_margin(standing.leads[second])} more than "
        f"{second}{next_best} (adjusted {p_value})."
    )
    return [headline, *_speed(best, speeds[speeds.index.isin(standing.rows.index)])]


def _opening(standing: Standing) -> str:
    """An advice, or, where no label says what is right, a finding."""
    known = standing.measure != FOUND_AGAIN
    return f"Use {standing.best}: it" if known else f"{standing.best} tells these images apart best: it"


def _tie(standing: Standing) -> str:
    """The headline where no test separates the best from the next: that they are equivalent, or how many would."""
    best, rivals = standing.best, standing.rivals
    n = f"{int(standing.rows.iloc[0]['n']):,}"
    shares = listed([_share(standing.rows.loc[name]) for name in (best, *rivals)])
    found = f"({shares} right {means_of(standing.measure)})"
    leads = [standing.leads[name] for name in rivals if name in standing.leads]
    if len(leads) == len(rivals) and all(lead.equivalent for lead in leads):
        apart = f"less than {margin_in_words(leads[0].margin)} from {best}" if len(rivals) > 1 else ""
        apart = apart or f"less than {margin_in_words(leads[0].margin)} apart"
        return f"These {n} images show {listed([best, *rivals])} to be equivalent, {apart} {found}."
    more = what_would_tell(standing.leads.get(rivals[0]), " the first two" if len(rivals) > 1 else "")
    where = "" if len(rivals) + 1 == len(standing.rows) else "at the top "
    return f"These {n} images cannot separate {listed([best, *rivals])} {where}{found}; {more}."


def what_would_tell(lead: Lead | None, whom: str) -> str:
    """About how many images would; or why no number is given."""
    if lead is None:
        return "they were asked about different images"
    if lead.difference < 0:
        return "of the images that both were asked, the second is right on more"
    if lead.discordant == 0:
        return f"{whom.strip() or 'they'} are right on the same images"
    if lead.images_that_would_do is not None:
        return f"about {lead.images_that_would_do:,} would{whom and ' separate' + whom}"
    if lead.smallest_to_show is None:
        return "so few show no difference at all"
    return f"only differences from about {points(lead.smallest_to_show)} on would show"


def _choice(tied: list[str], speeds: pd.DataFrame) -> str:
    """What to do about a tie: take the cheapest, where timings tell which that is."""
    advice = "The sensible choice is the cheaper one"
    if not set(tied) <= set(speeds.index):
        return f"{advice}."
    ranked = speeds.loc[tied].sort_values("value", ascending=False, kind="stable")
    first, others = ranked.iloc[0], ranked.iloc[1:]
    if first["low"] > others["high"].max():
        slower = listed([f"{_pace(row['value'])} for {name}" for name, row in others.iterrows()])
        return f"{advice}, {first.name}: {_pace(first['value'])} images/s here, against {slower}."
    paces = listed([f"{name} {_pace(row['value'])}" for name, row in ranked.iterrows()])
    return f"{advice}; speed does not tell which that is ({paces} images/s here)."


def _speed(best: str, speeds: pd.DataFrame) -> list[str]:
    """Whether the winner costs time."""
    others = speeds[speeds.index != best]
    if best not in speeds.index or others.empty:
        return []
    own = speeds.loc[best]
    if own["low"] > others["high"].max():
        return [f"It is also the fastest here, at {_pace(own['value'])} images/s."]
    fastest = others.sort_values("value").iloc[-1]
    if fastest["low"] > own["high"]:
        return [f"{fastest.name} is faster here: {_pace(fastest['value'])} images/s against {_pace(own['value'])}."]
    return []


def _field(standing: Standing) -> list[str]:
    """The models behind, by tie group."""
    ahead = {standing.best, *standing.rivals}
    behind = standing.rows[~standing.rows.index.isin(ahead)]
    if len(standing.rows) > 2 and len(behind):
        groups = []
        for _, rows in behind.groupby("tie_group"):
            names = listed([f"{name} with {_share(row)}" for name, row in rows.iterrows()])
            groups.append(names + (", not separable" if len(rows) > 1 else ""))
        return [f"Behind: {'; '.join(groups)}."]
    return []


def _warning(standing: Standing) -> list[str]:
    """Where even the best fails, or where success is not what a user asks for."""
    if standing.measure == FOUND_AGAIN:
        return ["Without labels nothing tells which model would name or sort these images right more often."]
    return [f"Even {standing.best} is wrong on most images."] if standing.rows.iloc[0]["high"] < 0.5 else []


def _other_means(standings: Mapping[str, Standing], headline: str) -> list[str]:
    """What changes with labelled examples, or without any."""
    sentences = []
    shown = [standings[name] for name in WITH_EXAMPLES if name in standings and name != headline]
    if shown:
        shown.sort(key=lambda standing: -standing.rows.iloc[0]["value"])
        sentences.append(f"With labelled examples, {'; '.join(map(_clause, shown))}.")
    without = [standings[name] for name in WITHOUT_EXAMPLES if name in standings]
    if without and headline in WITH_EXAMPLES:
        sentences.append(f"Without examples, {_clause(without[0], say_means=without[0].measure != NAMING)}.")
    return sentences


def _clause(standing: Standing, say_means: bool = True) -> str:
    """One measure's finding in half a sentence."""
    found = f"{standing.best} {_does(standing, say_means=say_means)}"
    if standing.rivals:
        return f"{found}, not separable from {listed(standing.rivals)}"
    if len(standing.rows) == 1:
        return found
    second = str(standing.rows.index[1])
    return f"{found}, {_margin(standing.leads[second])} more than {second}"


def _effects(effects: pd.DataFrame, headline: str) -> list[str]:
    """What architecture, training and their interaction do, in the headline's measure or the next preferred one."""
    measures = [name for name in (headline, *PREFERENCE) if name in set(effects["measure"])]
    if not measures:
        return []
    rows = effects[effects["measure"] == measures[0]].set_index("effect")
    architecture = _effect(rows.loc["architecture"], "ViT is {} ahead of ResNet", "ResNet is {} ahead of ViT")
    training = _effect(
        rows.loc["training"],
        "training on language is {} ahead of training on labels",
        "training on labels is {} ahead of training on language",
    )
    interaction = _effect(
        rows.loc["interaction"],
        "language does {} more for ViT than for ResNet",
        "language does {} more for ResNet than for ViT",
    )
    return [
        f"Of these models, {means_of(measures[0])}, {architecture}, averaged over training; {training}, averaged over "
        f"architecture; and {interaction}."
    ]


def _effect(row: pd.Series, positive: str, negative: str) -> str:
    if row["low"] > 0:
        return positive.format(points_with_interval(row["difference"], row["low"], row["high"]))
    if row["high"] < 0:
        return negative.format(points_with_interval(-row["difference"], -row["high"], -row["low"]))
    shown = points_with_interval(row["difference"], row["low"], row["high"])
    return f"it is open whether {positive.format('').replace('  ', ' ')} ({shown})"


def _under_views(clean: Standing, changed: Mapping[str, Standing]) -> list[str]:
    """What changed images do: a sentence a view where they are few; of many, what costs most and what parts most."""
    if len(changed) < MANY_VIEWS:
        return [f"Under {view}, {_clause(standing)}." for view, standing in changed.items()]
    falls = [] if clean.measure == FOUND_AGAIN else _worst_fall(clean, changed)  # it has no unchanged view
    return [*falls, *_widest_gap(changed)]


def _worst_fall(clean: Standing, changed: Mapping[str, Standing]) -> list[str]:
    before = dict(clean.rows["value"])
    falls = {
        (view, str(name)): float(before[name] - value)
        for view, standing in changed.items()
        for name, value in standing.rows["value"].items()
        if name in before
    }
    view, name = max(falls, key=lambda cell: falls[cell], default=("", ""))
    if falls.get((view, name), 0) <= 0:
        return []
    fall = f"{name} falls from {_share(clean.rows.loc[name])} to {_share(changed[view].rows.loc[name])}"
    return [f"Of {len(changed)} changed views, {view} costs most: {fall}."]


def _widest_gap(changed: Mapping[str, Standing]) -> list[str]:
    """Of the leads that a test shows the largest."""
    gaps = {
        (view, name): lead
        for view, standing in changed.items()
        for name, lead in standing.leads.items()
        if lead.separable
    }
    if not gaps:
        return [f"Under none of the {len(changed)} changed views do these images separate the models."]
    view, last = max(gaps, key=lambda cell: gaps[cell].difference)
    best, gap = changed[view].best, _margin(gaps[view, last])
    return [f"The models differ most under {view}: {best} has {gap} more right than {last}."]


def _does(standing: Standing, of_n: bool = False, say_means: bool = True) -> str:
    """What the best does: names 61.2% [57.4, 64.9] of 688 images right without examples."""
    row = standing.rows.iloc[0]
    if standing.measure == IMAGE_TO_TEXT:
        return f"finds a caption of {_share(row)} of {int(row['n']):,} images first"
    if standing.measure == FOUND_AGAIN:
        return f"finds {_share(row)} of {int(row['n']):,} changed images again among all"
    if standing.measure == ANY_LABEL:
        return f"names a class of {_share(row)} of {int(row['n']):,} images right"
    verb = "names" if standing.measure in WITHOUT_EXAMPLES else "gets"
    images = f" of {int(row['n']):,} images" if of_n else ""
    means = f" {means_of(standing.measure)}" if say_means else ""
    return f"{verb} {_share(row)}{images} right{means}"


def means_of(measure: str) -> str:
    """How a measure gets its answers, at the end of a sentence: "with a linear probe"."""
    return MEANS.get(measure, f"by {measure.replace('_', ' ')}")


def _share(row: pd.Series) -> str:
    return percent(row["value"], row["low"], row["high"])


def _margin(lead: Lead) -> str:
    return points_with_interval(lead.difference, lead.low, lead.high)


def _pace(images_per_s: float) -> str:
    return f"{images_per_s:,.0f}"
