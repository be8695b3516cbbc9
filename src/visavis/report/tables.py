"""A study's tidy tables, reshaped for the eye: grouped, ordered and cut to what a page can hold.

Nothing is estimated here. Every number is a cell of the study's tables, or a count of rows of its predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.report.words import is_missing, percent

if TYPE_CHECKING:
    import pandas as pd

# Of the measures that cover most models the first of these leads the page: it asks for the fewest of the user's labels.
PREFERENCE = (
    "naming", "linear_probe", "embedding_probe", "fine_tuning", "wise_ft", "lora", "knn", "zero_shot", "classifier",
)  # fmt: skip
REPEATED_BY_NAMING = ("zero_shot", "classifier")
COSTS = ("params", "macs", "weight_mib", "images_per_s", "peak_memory_mib")
LONGEST_TABLE = 100  # rows


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value with its interval, as the results table has it; NaN where there is none."""

    value: float
    low: float
    high: float
    n: float
    draw_low: float
    draw_high: float


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One model in one measure: a cell for each metric, or the reason why there is none."""

    model: str
    cells: Mapping[str, Cell]
    tie_group: int | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ResultGroup:
    """A measure under a view, best model first.

    Attributes:
        n: Images, where all models decided equally many; else None.
    """

    view: str
    measure: str
    rows: tuple[ResultRow, ...]
    n: int | None


@dataclass(frozen=True, kw_only=True)
class PairGroup:
    """The pairs of one measure under one view, and how many more the study holds."""

    view: str
    measure: str
    rows: tuple[Any, ...]
    left_out: int


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """Classes as rows of (name, images, right answers of each model), and how many classes were left out."""

    rows: tuple[tuple[str, int, Mapping[str, int]], ...]
    left_out: int


def percent_with_interval(row: pd.Series | Cell) -> str:
    """A result in percent with its interval: "53.2 [49.5, 56.9]"."""
    return f"{percent(row.value)} [{percent(row.low)}, {percent(row.high)}]"


def headline(results: pd.DataFrame) -> tuple[str, str]:
    """The (view, measure) that leads the page: the first view, and the measure that most models took in it.

    Of several such measures the first in PREFERENCE; ("", "") where no accuracy was measured.
    """
    accuracy = results[results["metric"] == "accuracy"]
    if accuracy.empty:
        return "", ""
    view = accuracy["view"].iloc[0]
    covered = accuracy[accuracy["view"] == view].groupby("measure")["model"].nunique()
    return str(view), max(in_order(covered.index), key=lambda measure: covered[measure])


def leading_measure(results: pd.DataFrame, table: pd.DataFrame) -> str:
    """The headline's measure; of a table that lacks it, its first."""
    measure = headline(results)[1]
    return measure if (table["measure"] == measure).any() else str(table["measure"].iloc[0])


def leading_first(results: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """The measures of a table, `leading_measure` before the others."""
    first = leading_measure(results, table)
    return [first, *(measure for measure in dict.fromkeys(table["measure"]) if measure != first)]


def in_order(measures: Iterable[str]) -> list[str]:
    """Measures as the page lists them: known ones first."""
    given = list(dict.fromkeys(measures))
    return [name for name in PREFERENCE if name in given] + [name for name in given if name not in PREFERENCE]


def result_groups(results: pd.DataFrame, empty_cells: Sequence[Mapping[str, str]]) -> list[ResultGroup]:
    """All measured accuracies, grouped by view and measure, with the reasons of the cells that stay empty."""
    measured = results[results["measure"] != "cost"]
    measures = in_order([*measured["measure"], *(cell["measure"] for cell in empty_cells)])
    groups = []
    for view in dict.fromkeys(measured["view"]):
        for measure in measures:
            own = measured[(measured["view"] == view) & (measured["measure"] == measure)]
            rows = [_result_row(str(model), metrics) for model, metrics in own.groupby("model", sort=False)]
            rows.sort(key=lambda row: -row.cells["accuracy"].value if "accuracy" in row.cells else 0.0)
            present = {row.model for row in rows}
            rows += [
                ResultRow(model=cell["model"], cells={}, tie_group=None, reason=cell["reason"])
                for cell in empty_cells
                if cell["measure"] == measure and cell["model"] not in present
            ]
            groups.append(ResultGroup(view=str(view), measure=measure, rows=tuple(rows), n=_common(own["n"])))
    return [group for group in groups if group.rows]


def plotted_groups(groups: Sequence[ResultGroup]) -> list[ResultGroup]:
    """The groups that a figure of the first view needs: without those that "naming" already shows."""
    first = [group for group in groups if group.view == groups[0].view and any(row.cells for row in group.rows)]
    if any(group.measure == "naming" for group in first):
        return [group for group in first if group.measure not in REPEATED_BY_NAMING]
    return first


def pair_groups(pairs: pd.DataFrame, groups: Sequence[ResultGroup], first: tuple[str, str]) -> list[PairGroup]:
    """Pairs by view and measure, those of the headline first, the best models' first; at most LONGEST_TABLE of each."""
    found = []
    for group in groups:
        own = pairs[(pairs["view"] == group.view) & (pairs["measure"] == group.measure)]
        place = {row.model: number for number, row in enumerate(group.rows)}
        rows = sorted(own.itertuples(index=False), key=lambda pair: (place[pair.model_a], place[pair.model_b]))
        shown = tuple(rows[:LONGEST_TABLE])
        if shown:
            left_out = len(rows) - len(shown)
            found.append(PairGroup(view=group.view, measure=group.measure, rows=shown, left_out=left_out))
    return sorted(found, key=lambda group: (group.view, group.measure) != first)


def cost_rows(results: pd.DataFrame) -> dict[str, dict[str, Cell]]:
    """For each model its cost cells by metric: those of COSTS first, then whatever else was measured."""
    costs = results[results["measure"] == "cost"]
    metrics = [*COSTS, *(name for name in dict.fromkeys(costs["metric"]) if name not in COSTS)]
    rows = {}
    for model, own in costs.groupby("model", sort=False):
        cells = {str(row.metric): _cell(row) for row in own.itertuples()}
        rows[str(model)] = {metric: cells[metric] for metric in metrics if metric in cells}
    return rows


def per_class(predictions: pd.DataFrame, view: str, measure: str) -> pd.DataFrame:
    """Right answers of the main run, class by class.

    Returns:
        label, model, right (count), n (images): one row a class and model; images without a label do not count.
    """
    main = main_run(predictions, view, measure)
    right = (main["predicted"] == main["label"]).groupby([main["label"], main["model"]], sort=False)
    return right.agg(right="sum", n="size").reset_index()


def widest_classes(counts: pd.DataFrame, limit: int) -> ClassTable:
    """Of `per_class` the classes on which models differ most in accuracy; of equals, those with more images."""
    table = _by_class(counts)
    spread = table.max(axis=1) - table.min(axis=1)
    return _class_table(counts, spread[spread > 0], limit)


def hardest_classes(counts: pd.DataFrame, limit: int) -> ClassTable:
    """Of `per_class` the classes that the models together get wrong most often; of equals, those with more images."""
    missed = 1 - _by_class(counts).mean(axis=1)
    return _class_table(counts, missed[missed > 0], limit)


def main_run(predictions: pd.DataFrame, view: str, measure: str) -> pd.DataFrame:
    """The decisions of one view and measure, without repeats."""
    chosen = (predictions["draw"] == 0) & (predictions["view"] == view) & (predictions["measure"] == measure)
    return predictions[chosen]


def _by_class(counts: pd.DataFrame) -> pd.DataFrame:
    """Accuracy: a row a class, a column a model."""
    return counts.assign(share=counts["right"] / counts["n"]).pivot(index="label", columns="model", values="share")


def _class_table(counts: pd.DataFrame, weight: pd.Series, limit: int) -> ClassTable:
    import pandas as pd

    images = counts.groupby("label")["n"].max()
    order = pd.DataFrame({"weight": weight.round(9), "images": images.reindex(weight.index)})
    chosen = order.sort_values(["weight", "images"], ascending=False, kind="stable").index[:limit]
    right: dict[str, dict[str, int]] = {str(label): {} for label in chosen}
    for row in counts[counts["label"].isin(chosen)].itertuples():
        right[str(row.label)][str(row.model)] = int(row.right)
    rows = tuple((label, int(images[label]), right[label]) for label in right)
    return ClassTable(rows=rows, left_out=len(order) - len(rows))


def _result_row(model: str, metrics: pd.DataFrame) -> ResultRow:
    group = metrics.loc[metrics["metric"] == "accuracy", "tie_group"].dropna()
    return ResultRow(
        model=model,
        cells={str(row.metric): _cell(row) for row in metrics.itertuples()},
        tie_group=int(group.iloc[0]) if len(group) else None,
    )


def _cell(row: Any) -> Cell:
    names = ("value", "low", "high", "n", "draw_low", "draw_high")
    return Cell(**{name: float("nan") if is_missing(found := getattr(row, name)) else float(found) for name in names})


def _common(numbers: pd.Series) -> int | None:
    distinct = set(numbers.dropna())
    return int(distinct.pop()) if len(distinct) == 1 else None
