"""Two studies side by side: what was done otherwise, and what came out otherwise, tested where the images are the same.

A row is one model in one measure under one view; its change is the second study's accuracy less the first's on the
images that both studies asked about, under the same label. All changes are one family of tests. Where each study has a
best model of its own in a measure, their difference is a row too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from visavis.report.findings import split_verdict
from visavis.report.page import write_page
from visavis.report.side_by_side import render_side_by_side
from visavis.report.tables import REPEATED_BY_NAMING
from visavis.study.pairs import compare_pairs, holm
from visavis.study.power import ALPHA
from visavis.study.study import Study, load_study
from visavis.study.summary import NAMING
from visavis.study.wording import p_in_words, points_with_interval

FIRST, SECOND = "first", "second"
COLUMNS = (
    "view", "measure", "model_a", "model_b", "value_a", "low_a", "high_a", "n_a", "value_b", "low_b", "high_b", "n_b",
    "difference", "low", "high", "n", "discordant", "p_value", "p_adjusted",
)  # fmt: skip
TOLD = {  # of study.json: what a reader compares, and where it stands
    "visavis": ("visavis",),
    "data": ("data", "name"),
    "fingerprint of the data": ("data", "fingerprint"),
    "training images": ("data", "n_train"),
    "test images": ("data", "n_test"),
    "classes": ("data", "classes"),
    "split": ("data", "split"),
    "models": ("arguments", "models"),
    "views": ("arguments", "views"),
    "prompts": ("measures", "zero_shot", "templates"),
    "measures asked for": ("arguments", "measures"),
    "left out": ("arguments", "exclude"),
    "effort": ("arguments", "effort"),
    "seed": ("seed",),
    "resamples": ("bootstrap", "draws"),
    "machine": ("machine",),
    "packages": ("packages",),
}


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """What `compare_studies` found.

    Attributes:
        headline: One sentence.
        changed: (what, of the first, of the second) for everything of the protocols that differs.
        same: What is equal.
        accuracies: One row a model, measure and view of either study, with `COLUMNS`; value, low, high and n of each,
            then the change with its interval, images, McNemar's p and Holm's over all rows. NaN where one lacks it.
        shared: Images that both studies asked about.
    """

    headline: str
    changed: tuple[tuple[str, Any, Any], ...]
    same: tuple[str, ...]
    accuracies: pd.DataFrame
    shared: int


def compare_studies(first: Study, second: Study) -> SideBySide:
    """Sets two studies side by side; no image, model or embedding is needed."""
    changed, same = _protocols(first.protocol, second.protocol)
    sides = [_accuracies(study.results) for study in (first, second)]
    predictions = _shared_images(first.predictions, second.predictions)
    rows = pd.DataFrame(
        [
            {
                "view": view, "measure": measure, "model_a": model_a, "model_b": model_b,
                **_cell(sides[0], (view, measure, model_a), "a"), **_cell(sides[1], (view, measure, model_b), "b"),
            }
            for view, measure, model_a, model_b in _rows(*sides)
        ]
    )  # fmt: skip
    table = rows.merge(_changes(rows, *predictions), how="left", left_index=True, right_index=True)[list(COLUMNS)]
    shared = predictions[0]["sample"].nunique()
    return SideBySide(headline=_headline(table, shared), changed=changed, same=same, accuracies=table, shared=shared)


def _protocols(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> tuple[tuple[tuple[str, Any, Any], ...], tuple[str, ...]]:
    """What differs and what is equal, of what both or one of them tell."""
    told = [(what, _at(first, path), _at(second, path)) for what, path in TOLD.items()]
    weights = [
        {str(model["name"]): model.get("fingerprint") for model in study.get("models", ())} for study in (first, second)
    ]
    for name in weights[0].keys() & weights[1].keys():
        told.append((f"weights of {name}", weights[0][name], weights[1][name]))
    told = [row for row in told if (row[1], row[2]) != (None, None)]
    return tuple(row for row in told if row[1] != row[2]), tuple(row[0] for row in told if row[1] == row[2])


def _at(protocol: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = protocol
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _accuracies(results: pd.DataFrame) -> pd.DataFrame:
    """Rows of accuracy, found by (view, measure, model)."""
    rows = results[results["metric"] == "accuracy"]
    return rows.set_index(["view", "measure", "model"])[["value", "low", "high", "n"]]


def _rows(first: pd.DataFrame, second: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """View, measure and the model of each side: every model of either, then the best against the best.

    Where both name without examples, what naming repeats is left out: it would be tested twice.
    """
    named = all(NAMING in side.index.get_level_values("measure") for side in (first, second))
    keys = [key for key in dict.fromkeys([*first.index, *second.index]) if not (named and key[1] in REPEATED_BY_NAMING)]
    for view, measure in dict.fromkeys((view, measure) for view, measure, _ in keys):
        yield from ((view, measure, model, model) for *where, model in keys if where == [view, measure])
        best = [_best(side, view, measure) for side in (first, second)]
        if None not in best and best[0] != best[1]:
            yield view, measure, str(best[0]), str(best[1])


def _best(side: pd.DataFrame, view: str, measure: str) -> str | None:
    own = side[[(at_view, by) == (view, measure) for at_view, by, _ in side.index]]
    return None if own.empty else str(own["value"].idxmax()[2])


def _cell(side: pd.DataFrame, key: tuple[str, str, str], suffix: str) -> dict[str, float]:
    """Value, low, high and n of one study; NaN where it has no such cell."""
    names = ("value", "low", "high", "n")
    found = side[[at == key for at in side.index]]
    return {f"{name}_{suffix}": float(found[name].iloc[0]) if len(found) else np.nan for name in names}


def _shared_images(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The decisions of each about images that both were asked about, under the same label."""
    known = [table.drop_duplicates("sample").set_index("sample")["label"] for table in (first, second)]
    both = known[0].index.intersection(known[1].index)
    shared = both[(known[0][both] == known[1][both]).to_numpy()]
    return first[first["sample"].isin(shared)], second[second["sample"].isin(shared)]


def _changes(rows: pd.DataFrame, first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The second's accuracy less the first's for the rows that both have, by the number of the row."""
    sides = []
    for table, model, side in ((first, "model_a", FIRST), (second, "model_b", SECOND)):
        own = rows.reset_index(names="row")[["row", "view", "measure", model]].rename(columns={model: "model"})
        # compare_pairs compares models within a view and a measure: here these are one row of the table
        asked = table[table["draw"] == 0].merge(own, on=["view", "measure", "model"])
        sides.append(asked.assign(model=side, view="", measure=asked["row"].astype(str)))
    decisions = pd.concat(sides, ignore_index=True)
    pairs = compare_pairs(decisions) if len(decisions) else pd.DataFrame()
    if pairs.empty:
        return pd.DataFrame(columns=["difference", "low", "high", "n", "discordant", "p_value", "p_adjusted"])
    turned = pairs["model_a"] == FIRST  # the better one stands first in a pair, here the second study does
    changes = pairs.assign(
        difference=pairs["difference"].where(~turned, -pairs["difference"]),
        low=pairs["low"].where(~turned, -pairs["high"]),
        high=pairs["high"].where(~turned, -pairs["low"]),
        p_adjusted=holm(pairs["p_value"].to_numpy()),
    )
    changes.index = pd.Index(changes["measure"].astype(int))
    return changes[["difference", "low", "high", "n", "discordant", "p_value", "p_adjusted"]]


def _headline(table: pd.DataFrame, shared: int) -> str:
    """The largest change of a model that the tests show."""
    if not shared:
        return "The two studies share no image: their accuracies stand side by side, and no change can be tested."
    tested = table[table["p_value"].notna() & (table["model_a"] == table["model_b"])]
    if tested.empty:
        return f"The two studies share {shared:,} images, and no model in the same measure."
    shown = tested[(tested["p_adjusted"] < ALPHA) & ((tested["low"] > 0) | (tested["high"] < 0))]
    if shown.empty:
        return f"On the {shared:,} images that both share, none of {len(tested)} accuracies is shown to have changed."
    most = shown.loc[shown["difference"].abs().idxmax()]
    gap = points_with_interval(most["difference"], most["low"], most["high"])
    where = f"{str(most['measure']).replace('_', ' ')}" + ("" if most["view"] == "clean" else f", {most['view']}")
    return (
        f"On the {shared:,} images that both share, {len(shown)} of {len(tested)} accuracies changed; most that of "
        f"{most['model_b']} ({where}), by {gap} (adjusted {p_in_words(most['p_adjusted'])})."
    )


def write_side_by_side(folders: Sequence[Path], out: Path) -> Path:
    """Reads two studies and writes their page, and beside it the table as CSV; returns the page's path.

    Raises:
        UsageError: A folder holds no study.
        VisavisError: A study is damaged, or the page cannot be written.
    """
    studies = [load_study(folder) for folder in folders]
    found = compare_studies(*studies)
    short = [folder.resolve().name for folder in folders]
    names = short if short[0] != short[1] else [str(folder) for folder in folders]
    verdicts = [split_verdict(study.verdict)[0] for study in studies]
    page = render_side_by_side(found.headline, names, verdicts, found.changed, found.same, found.accuracies)
    write_page(found.accuracies.to_csv(index=False), out.with_suffix(".csv"))
    return write_page(page, out)
