"""The page as a reader gets it: complete, escaped, alone, and with the tables' own numbers."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from visavis.errors import VisavisError
from visavis.report.page import FEW_VIEWS, ReportTables, render, write_report
from visavis.report.words import measure_name, metric_name, visible

SECTIONS = ("accuracy", "pictures", "results", "cost", "classes", "skipped", "protocol")
METRICS = ("accuracy", "balanced_accuracy", "accuracy@5")
HANDLER = re.compile(r"^on", re.IGNORECASE)


@dataclass
class Row:
    """A table's row: the text of its head, and of each cell its text and the numbers behind it."""

    head: str = ""
    cells: list[tuple[str, list[float]]] = field(default_factory=list)
    is_heading: bool = False


class Page(HTMLParser):
    """What a test asks of a page: its elements with attributes, its visible text, and its tables by class."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[Row]] = {}
        self.texts: list[str] = []
        self._open: list[str] = []
        self._rows: list[Row] = []
        self.feed(text)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        self._open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault(str(given["class"]).split()[-1], [])
        elif tag == "tr":
            self._rows.append(Row(is_heading=given.get("class") == "heading"))
        elif tag == "td":
            self._rows[-1].cells.append(("", []))
        elif tag == "data" and "td" in self._open[-5:]:
            self._rows[-1].cells[-1][1].append(float(str(given["value"])))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, text: str) -> None:
        if "style" in self._open or "script" in self._open:
            return
        self.texts.append(text)
        if "td" in self._open:
            shown, numbers = self._rows[-1].cells[-1]
            self._rows[-1].cells[-1] = (shown + text, numbers)
        elif "th" in self._open:
            self._rows[-1].head += text


def shown(share: float) -> str:
    return f"{100 * share:.1f}"


@pytest.mark.parametrize("views", [("clean",), ("clean", "grayscale")])
def test_results_table_holds_every_accuracy_unrounded_and_shows_it_rounded(
    make: Callable[..., ReportTables], views: tuple[str, ...]
) -> None:
    tables = make(n_classes=60, views=views)
    accuracies = tables.results[tables.results["measure"] != "cost"].set_index(["view", "measure", "model", "metric"])
    measures = set(tables.results["measure"]) - {"cost"}
    headings = {measure_name(m) + (f" {v}" if len(views) > 1 else ""): (v, m) for m in measures for v in views}
    found = {}
    group = ("", "")
    for row in Page(render(tables)).tables["results"][1:]:
        model = row.head.strip()
        if row.is_heading:
            group = headings[" ".join(row.head.split())]
        elif len(row.cells) > 1:
            for metric, (text, numbers) in zip(METRICS, row.cells, strict=False):
                found[(*group, model, metric)] = numbers
                cell = accuracies.loc[(*group, model, metric)]
                assert text == f"{shown(cell['value'])} [{shown(cell['low'])}, {shown(cell['high'])}]"
                assert row.cells[3][1] == [cell["n"]]
            assert row.cells[4][1] == [accuracies.loc[(*group, model, "accuracy"), "tie_group"]]
    expected = {key: [row["value"], row["low"], row["high"]] for key, row in accuracies.iterrows()}
    assert found == expected


def test_accuracies_of_the_figure_can_be_counted_from_the_predictions(tables: ReportTables) -> None:
    page = render(tables)
    figure = page[page.index('id="accuracy"') : page.index('id="pictures"')]
    right = tables.predictions["predicted"] == tables.predictions["label"]
    counted = right.groupby([tables.predictions["measure"], tables.predictions["model"]]).mean()
    plotted = counted[counted.index.get_level_values(0).isin(["naming", "knn", "linear_probe"])]
    values = re.findall(r'<span class="interval"><data value="([^"]+)">', figure)
    assert sorted(map(float, values)) == pytest.approx(sorted(plotted), abs=1e-12)


def test_pairs_effects_and_costs_are_the_tables(tables: ReportTables) -> None:
    page = render(tables)
    parsed = Page(page)
    columns = ["difference", "low", "high", "n", "discordant", "p_value", "p_adjusted"]
    on_page = {
        tuple(number for _, numbers in row.cells for number in numbers) for row in parsed.tables["pairs"] if row.cells
    }
    assert on_page == {tuple(map(float, row)) for row in tables.pairs[columns].to_numpy()}
    for value in tables.effects[["difference", "low", "high"]].to_numpy().ravel():
        assert f'<data value="{float(value)!r}">' in page
    by_model = tables.results[tables.results["measure"] == "cost"].set_index(["model", "metric"])
    for row in parsed.tables["costs"][1:]:
        cost = by_model.loc[row.head.strip()]
        numbers = [numbers for _, numbers in row.cells]
        assert numbers[0] == [cost.loc["params", "value"]]
        assert numbers[1] == [cost.loc["macs", "value"]]
        assert numbers[2] == [2 * cost.loc["macs", "value"]]  # FLOPs
        assert numbers[4] == list(cost.loc["images_per_s", ["value", "low", "high"]])


def test_class_table_counts_right_answers(make: Callable[..., ReportTables]) -> None:
    tables = make(n_classes=15, images_per_class=7)
    naming = tables.predictions[tables.predictions["measure"] == "naming"]
    models = list(dict.fromkeys(naming["model"]))
    rows = [row for row in Page(render(tables)).tables["classes"] if row.cells]
    assert len(rows) >= 15
    names = {visible(label): label for label in naming["label"]}
    for row in rows:
        own = naming[naming["label"] == names[row.head]]
        counts = [float(((own["model"] == model) & (own["predicted"] == own["label"])).sum()) for model in models]
        assert [numbers[0] for _, numbers in row.cells] == [7.0, *counts]


def test_names_from_outside_stay_text(tables: ReportTables) -> None:
    page = Page(render(tables))
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [name for _, attributes in page.elements for name in attributes if HANDLER.match(name)]
    assert not [
        tag for tag, attributes in page.elements if tag == "img" and not str(attributes["src"]).startswith("data:")
    ]
    for skipped in tables.protocol["data"]["skipped"]:
        assert " ".join(visible(skipped["name"]).split()) in page.text
    assert "{{ 7 * 7 }} {% raw %}" in page.text
    assert "emoji <b>&amp;</b> friends" in page.text


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "a\n\tb\u202e\x00", "x" * 5000]
)
def test_a_model_may_bear_any_name(make: Callable[..., ReportTables], name: str) -> None:
    tables = make(n_classes=30)
    renamed = {"resnet-mini.emoji": name}
    protocol = {**tables.protocol, "models": [{**model, "name": renamed.get(model["name"], model["name"])}
                for model in tables.protocol["models"]]}  # fmt: skip
    attacked = replace(
        tables,
        results=tables.results.replace({"model": renamed}),
        predictions=tables.predictions.replace({"model": renamed}),
        pairs=tables.pairs.replace({"model_a": renamed, "model_b": renamed}),
        protocol=protocol,
    )
    written = render(attacked)
    page = Page(written)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [key for _, attributes in page.elements for key in attributes if HANDLER.match(key)]
    assert not set("\u202e\x00") & set(written)
    assert " ".join(visible(name).split()) in page.text
    assert len(written) < 1_000_000


def test_the_page_needs_nothing_else(tables: ReportTables) -> None:
    written = render(tables)
    assert "http:" not in written
    assert "https:" not in written
    for tag, attributes in Page(written).elements:
        for key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            if attributes.get(key) is not None:
                assert str(attributes[key]).startswith(("#", "data:")), (tag, attributes)
    assert "@import" not in written
    assert "url(" not in written
    assert "default-src 'none'" in written


def test_page_is_small(tables: ReportTables) -> None:
    assert len(render(tables).encode()) < 600_000


def test_page_stays_under_8_mb_with_heavy_pictures_and_endless_tables(make: Callable[..., ReportTables]) -> None:
    tables = make(n_classes=60)
    noise = np.random.default_rng(0).bytes(100_000)
    heavy = tables.thumbnails.assign(image=[b"\x89PNG\r\n\x1a\n" + noise] * len(tables.thumbnails))
    skipped = [{"name": "n" * 300, "reason": "cut short"}] * 50_000
    protocol = {**tables.protocol, "data": {**tables.protocol["data"], "skipped": skipped}}
    written = render(replace(tables, thumbnails=heavy, protocol=protocol))
    assert len(written.encode()) < 8_000_000
    assert "50,000 files could not be used" in written
    assert "49,900 more files" in written


def test_ten_thousand_images_of_a_hundred_classes_make_no_larger_page(make: Callable[..., ReportTables]) -> None:
    tables = make(n_classes=100, images_per_class=100)
    assert len(tables.predictions) == 10_000 * (3 * 4 + 4)
    assert len(render(tables).encode()) < 1_000_000


def test_order_of_the_page(tables: ReportTables) -> None:
    written = render(tables)
    lead = written.index('<p class="lead">')
    places = [written.index(f'id="{section}"') for section in SECTIONS]
    assert lead < places[0]
    assert places == sorted(places)
    text = Page(written).text
    assert text.index("Use resnet-mini.emoji") < text.index("If that difference is real") < text.index("Linear probe")
    assert "visavis compare resnet-mini.emoji" in text[text.index("The command that repeats it") :]


def test_empty_cells_give_their_reason(tables: ReportTables) -> None:
    reasons = [row.cells[0][0] for row in Page(render(tables)).tables["results"] if len(row.cells) == 1]
    assert sorted(reasons) == sorted(f"Empty: {cell['reason']}" for cell in tables.protocol["empty_cells"])


def test_one_model_without_pairs_effects_or_pictures(make: Callable[..., ReportTables]) -> None:
    tables = make(n_classes=20, models=("RN-mini.emoji",), pictures=0)
    assert tables.pairs.empty
    assert tables.effects.empty
    text = Page(render(tables)).text
    assert "There is no pair of models" in text
    assert "There is no picture to show" in text
    assert "1 image encoder on" in text


def test_pictures_without_labels_and_confidences(make: Callable[..., ReportTables]) -> None:
    tables = make(n_classes=40, pictures=40)
    unlabelled = replace(
        tables,
        predictions=tables.predictions.assign(label=None, confidence=math.nan, rank=math.nan),
        thumbnails=tables.thumbnails.assign(label=None),
        results=tables.results[tables.results["measure"] == "cost"],
        pairs=tables.pairs.head(0),
        effects=tables.effects.head(0),
    )
    text = Page(render(unlabelled)).text
    assert "No accuracy was measured." in text
    assert "no label" in text
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize("missing", ["costs", "protocol", "tie groups"])
def test_what_a_study_lacks_is_left_out(make: Callable[..., ReportTables], missing: str) -> None:
    tables = make(n_classes=20)
    changed = {
        "costs": replace(tables, results=tables.results[tables.results["measure"] != "cost"]),
        "protocol": replace(tables, protocol={}),
        "tie groups": replace(tables, results=tables.results.assign(tie_group=math.nan)),
    }[missing]
    page = Page(render(changed))
    assert {str(attributes.get("id")) for _, attributes in page.elements} >= set(SECTIONS)
    assert metric_name("accuracy") in page.text
    assert ("No cost was measured." in page.text) == (missing == "costs")


def test_ranges_over_repeats_are_shown_apart_from_intervals(make: Callable[..., ReportTables]) -> None:
    tables = make(n_classes=20)
    results = tables.results.copy()
    chosen = (results["measure"] == "zero_shot") & (results["metric"] == "accuracy")
    results.loc[chosen, ["draw_low", "draw_high"]] = [0.123, 0.456]
    page = Page(render(replace(tables, results=results)))
    assert "lowest and highest of the repeats" in page.text
    assert page.text.count("12.3 to 45.6") == chosen.sum() == 2


def test_rendering_twice_gives_the_same_page(tables: ReportTables) -> None:
    assert render(tables) == render(tables)


def test_tables_read_back_from_csv_give_the_same_page(make: Callable[..., ReportTables], tmp_path: Path) -> None:
    tables = make(n_classes=30)

    def through_csv(table: pd.DataFrame) -> pd.DataFrame:
        table.to_csv(tmp_path / "table.csv", index=False)
        read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
        texts = [name for name in table if table[name].dtype.kind not in "if"]
        return read.assign(**{name: pd.to_numeric(read[name]) for name in table if name not in texts})

    read = replace(tables, results=through_csv(tables.results), pairs=through_csv(tables.pairs))
    assert render(read) == render(tables)


def test_file_is_whole_or_not_there(tables: ReportTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new folder" / "report.html"
    assert write_report(tables, path) == path
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(VisavisError, match="No space left on device"):
        write_report(tables, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_hold_the_page_is_named(tables: ReportTables, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VisavisError, match=r"Cannot write the report to .*file.*visavis report"):
        write_report(tables, tmp_path / "file" / "report.html")


def test_drawing_never_imports_torch() -> None:
    code = "import sys, visavis.report.page; print('torch' in sys.modules, 'pandas' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(("n_views", "folded"), [(FEW_VIEWS, 0), (FEW_VIEWS + 1, FEW_VIEWS)])
def test_many_views_unfold(make, n_views, folded):
    """Of many views the first one's accuracies stand in sight; no number is lost."""
    views = ("clean", *(f"fog:{level}" for level in range(1, n_views)))
    page = render(make(n_classes=30, views=views))
    results = page[page.index('id="results"') : page.index("Model against model")]
    hidden = results[results.index('<details class="more">') :] if "<details" in results else ""
    assert [view in hidden for view in views] == [False, *[bool(folded)] * (n_views - 1)]
    assert all(view in results for view in views)
    assert (f"Under {folded} more views" in results) == bool(folded)
    assert (f"Each of {n_views} views" in page) == bool(folded)
