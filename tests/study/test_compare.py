"""compare() end to end on tiny networks; every statistic again from predictions.parquet, in plain numpy."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import visavis
from visavis.errors import UsageError
from visavis.report.words import MEASURES

CORNERS = {"resnet": ("ResNet", "labels"), "vit": ("ViT", "labels")} | {
    "clip_resnet": ("ResNet", "language"), "clip_vit": ("ViT", "language"),
}  # fmt: skip


@pytest.fixture(scope="session")
def predictions(study_folder: Path) -> pd.DataFrame:
    return pd.read_parquet(study_folder / "predictions.parquet")


@pytest.fixture(scope="session")
def results(study_folder: Path) -> pd.DataFrame:
    return pd.read_csv(study_folder / "results.csv", keep_default_na=False, na_values=[""])


@pytest.fixture(scope="session")
def protocol(study_folder: Path) -> dict:
    return json.loads((study_folder / "study.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def page(study_folder: Path) -> Page:
    page = Page()
    page.feed((study_folder / "report.html").read_text("utf-8"))
    return page


class Page(HTMLParser):
    """What a browser would build: the tags with their attributes, the rows of each table's text, and all `data`."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.values: list[str] = []
        self._table = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self._table = str(dict(attrs).get("class"))
        elif tag == "tr":
            self.tables.setdefault(self._table, []).append([])
        elif tag in ("th", "td") and self._table:
            self.tables[self._table][-1].append("")
        elif tag == "data":
            self.values.append(str(dict(attrs)["value"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._table = ""

    def handle_data(self, data: str) -> None:
        rows = self.tables.get(self._table)
        if self._table and rows and rows[-1]:
            rows[-1][-1] += data

    def rows(self, kind: str) -> list[list[str]]:
        """The rows of all tables whose classes hold a word; blanks are single."""
        return [
            [" ".join(cell.split()) for cell in row]
            for name, rows in self.tables.items()
            if kind in name.split()
            for row in rows
        ]


# -- the tables follow from the predictions ------------------------------------------------------------------------


def test_there_is_one_row_a_decision(predictions, protocol):
    n_test = protocol["data"]["n_test"]
    assert list(predictions.columns) == [
        "sample", "model", "view", "measure", "draw", "label", "predicted", "confidence", "rank"
    ]  # fmt: skip
    assert (predictions.groupby(["model", "view", "measure"]).size() == n_test).all()
    assert not predictions.duplicated(["sample", "model", "view", "measure", "draw"]).any()
    assert ((predictions["rank"] == 1) == (predictions["predicted"] == predictions["label"])).all()
    assert predictions["confidence"].between(0, 1).all()
    assert set(predictions["view"]) == {"clean", "grayscale"}


def test_every_accuracy_follows(predictions, results):
    seen = 0
    for (model, view, measure), rows in predictions.groupby(["model", "view", "measure"]):
        right = rows["predicted"].to_numpy() == rows["label"].to_numpy()
        labels = rows["label"].to_numpy()
        expected = {
            "accuracy": right.sum() / len(right),
            "balanced_accuracy": sum(right[labels == name].mean() for name in set(labels)) / len(set(labels)),
            "accuracy@5": (rows["rank"].to_numpy() <= 5).sum() / len(rows),
        }
        for metric, value in expected.items():
            row = one(results, model=model, view=view, measure=measure, metric=metric)
            assert row["value"] == pytest.approx(value, abs=1e-12)
            assert row["low"] <= value <= row["high"]
            assert row["n"] == len(rows)
            seen += 1
    assert seen == (results["measure"] != "cost").sum() > 0


def test_naming_repeats_each_models_own_means(predictions, models):
    keys = ["sample", "view", "predicted", "confidence"]
    for model, own in {models.resnet: "classifier", models.clip_vit: "zero_shot", models.vit: None}.items():
        rows = predictions[predictions["model"] == model]
        naming = rows[rows["measure"] == "naming"][keys].reset_index(drop=True)
        pd.testing.assert_frame_equal(naming, rows[rows["measure"] == own][keys].reset_index(drop=True))


def test_every_pair_follows(predictions, study_folder):
    pairs = pd.read_csv(study_folder / "pairs.csv")
    seen = 0
    for (view, measure), rows in predictions.groupby(["view", "measure"]):
        right = {
            model: (own.set_index("sample")["predicted"] == own.set_index("sample")["label"]).sort_index()
            for model, own in rows.groupby("model")
        }
        expected = {}
        for a, b in itertools.combinations(right, 2):
            only_a, only_b = int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
            expected[frozenset((a, b))] = (only_a, only_b, exact_mcnemar(only_a, only_b))
        family = pairs[(pairs["view"] == view) & (pairs["measure"] == measure)]
        adjusted = by_holm([expected[frozenset((row.model_a, row.model_b))][2] for row in family.itertuples()])
        assert len(family) == len(expected)
        for row, p_adjusted in zip(family.itertuples(), adjusted, strict=True):
            only_a, only_b, p_value = expected[frozenset((row.model_a, row.model_b))]
            difference = right[row.model_a].mean() - right[row.model_b].mean()
            assert row.difference == pytest.approx(difference, abs=1e-12)
            assert row.difference >= 0
            assert row.low <= difference <= row.high
            assert (row.n, row.discordant) == (len(right[row.model_a]), only_a + only_b)
            assert row.p_value == pytest.approx(p_value, rel=1e-9)
            assert row.p_adjusted == pytest.approx(p_adjusted, rel=1e-9)
            assert row.verdict.endswith(" better") == (row.p_adjusted < 0.05 and row.low > 0)
            seen += 1
    assert seen == len(pairs) > 0


def test_every_effect_follows(predictions, models, study_folder):
    effects = pd.read_csv(study_folder / "effects.csv")
    assert set(effects["measure"]) == {"knn", "linear_probe"}  # what all four models took
    corner = {getattr(models, name): CORNERS[name] for name in models._fields}
    for (view, measure), rows in effects.groupby(["view", "measure"]):
        own = predictions[(predictions["view"] == view) & (predictions["measure"] == measure)]
        accuracy = {
            corner[str(model)]: (group["predicted"] == group["label"]).mean() for model, group in own.groupby("model")
        }
        resnet_labels, vit_labels = accuracy["ResNet", "labels"], accuracy["ViT", "labels"]
        resnet_language, vit_language = accuracy["ResNet", "language"], accuracy["ViT", "language"]
        expected = {
            "architecture": ((vit_labels - resnet_labels) + (vit_language - resnet_language)) / 2,
            "training": ((resnet_language - resnet_labels) + (vit_language - vit_labels)) / 2,
            "interaction": (vit_language - vit_labels) - (resnet_language - resnet_labels),
        }
        assert dict(zip(rows["effect"], rows["difference"], strict=True)) == pytest.approx(expected, abs=1e-12)
        assert (rows["low"] <= rows["difference"]).all()
        assert (rows["difference"] <= rows["high"]).all()
        assert (rows["n"] == own["sample"].nunique()).all()
    assert len(effects) == 3 * 2 * 2


def test_the_report_shows_these_accuracies(predictions, page):
    """Each row of the table of results: percent of right answers, interval, number of images."""
    right = predictions.assign(right=predictions["predicted"] == predictions["label"])
    expected = right.groupby(["measure", "view", "model"])["right"].agg(["mean", "size"])
    named = {f"{words} {view}": (name, view) for name, words in MEASURES.items() for view in ("clean", "grayscale")}
    shown, group = {}, None
    for cells in page.rows("results")[1:]:
        if len(cells) == 1:
            group = named[cells[0]]
        elif not cells[1].startswith("Empty: "):
            shown[(*group, cells[0])] = (cells[1].split()[0], cells[4])
    assert shown == {
        (measure, view, model): (f"{100 * row['mean']:.1f}", f"{row['size']:.0f}")
        for (measure, view, model), row in expected.iterrows()
    }


def test_every_number_behind_the_report_is_in_the_tables(page, results, study_folder, predictions):
    tables = [results, predictions, *(pd.read_csv(path) for path in study_folder.rglob("*.csv"))]
    known = {float(value) for table in tables for value in table.select_dtypes("number").to_numpy().ravel()}
    shown = {float(value) for value in page.values}
    assert len(shown) > 100
    counts = set(range(len(predictions)))  # for each class the images and the right answers
    flops = {2 * value for value in results.loc[results["metric"] == "macs", "value"]}
    assert shown - known - counts - flops == set()


# -- what a study says of itself -----------------------------------------------------------------------------------


def test_unusable_files_are_listed_with_reasons(protocol, page, unusable):
    from visavis.report.words import visible

    listed = {file["name"]: file["reason"] for file in protocol["data"]["skipped"]}
    assert listed.keys() == unusable.keys()
    shown = {cells[0]: cells[1] for cells in page.rows("skipped")[1:]}
    for place, reason in unusable.items():
        assert reason in listed[place]
        assert shown[" ".join(visible(place).split())] == " ".join(listed[place].split())
    assert protocol["data"]["n_test"] + protocol["data"]["n_train"] == 6 * 8


def test_hostile_names_come_out_whole_and_harmless(predictions, protocol, page, study_folder, models, class_names):
    assert set(predictions["label"]) == set(class_names)
    assert set(predictions["model"]) == set(models)
    thumbnails = pd.read_parquet(study_folder / "thumbnails.parquet")
    assert set(thumbnails["label"]) <= set(class_names)
    assert [model["name"] for model in protocol["models"]] == list(models)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    text = (study_folder / "report.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;script&gt;") >= 2
    assert "two↵lines" in text
    assert "<b>&amp;" not in text
    assert "resnet &lt;b&gt;&amp;&#39;&#34; 🦊.safetensors" in text
    assert "<i>mine" not in text


def test_empty_cells_have_reasons(protocol, predictions, page, models):
    reasons = {(cell["model"], cell["measure"]): cell["reason"] for cell in protocol["empty_cells"]}
    assert reasons.keys() == {
        (models.resnet, "zero_shot"), (models.vit, "zero_shot"), (models.vit, "classifier"),
        (models.clip_resnet, "classifier"), (models.clip_vit, "classifier"),
    }  # fmt: skip
    assert "no text tower" in reasons[models.resnet, "zero_shot"]
    assert "knows 0 of the 6 classes" in reasons[models.vit, "classifier"]
    assert "trained on language" in reasons[models.clip_vit, "classifier"]
    taken = set(zip(predictions["model"], predictions["measure"], strict=True))
    assert not taken & reasons.keys()
    empty = [cells for cells in page.rows("results") if len(cells) > 1 and cells[1].startswith("Empty: ")]
    assert {cells[0] for cells in empty} == set(models)
    for cells in empty:
        assert cells[1].removeprefix("Empty: ") in {" ".join(reason.split()) for reason in reasons.values()} or (
            cells[0] == models.vit
        )


def test_costs_are_counted_and_timed(results, models, protocol):
    for model in models:
        assert one(results, model=model, metric="params")["value"] > 1000
        speed = one(results, model=model, metric="images_per_s")
        assert 0 < speed["low"] <= speed["value"] <= speed["high"]
        described = next(entry for entry in protocol["models"] if entry["name"] == model)
        assert described["macs"] == one(results, model=model, metric="macs")["value"]


def test_the_protocol_names_what_computed_each_models_vectors(models, protocol, study_folder):
    engines = {entry["name"]: entry["engine"] for entry in protocol["models"]}
    assert set(engines) == set(models)
    assert all(re.fullmatch(r"torch-[\d.]+-float32", engine) for engine in engines.values())
    assert "Computed by" in (study_folder / "report.html").read_text("utf-8")


# -- properties of the whole ---------------------------------------------------------------------------------------


def test_nothing_is_owed_to_the_cache(models, messy, study_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VISAVIS_CACHE", str(tmp_path / "cache"))
    study = visavis.compare([*models], messy, views=["clean", "grayscale"])
    study.save(tmp_path / "out")
    assert (tmp_path / "out/predictions.parquet").read_bytes() == (study_folder / "predictions.parquet").read_bytes()


def test_the_same_weights_twice_give_no_winner(models, photos, tmp_path):
    twin = shutil.copy(models.clip_vit, tmp_path / "twin.safetensors")
    study = visavis.compare([models.clip_vit, str(twin)], photos)
    first, second = (
        rows.drop(columns="model").reset_index(drop=True) for _, rows in study.predictions.groupby("model")
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert (study.pairs["difference"] == 0).all()
    assert (study.pairs["p_value"] == 1).all()
    assert (study.pairs["p_adjusted"] == 1).all()
    accuracies = study.results[study.results["metric"] == "accuracy"]
    assert (accuracies["tie_group"] == 1).all()
    assert "cannot separate" in study.verdict.split(";")[0]
    assert not re.search(r"\bUse\b|\bbetter\b", study.verdict)
    assert study.effects.empty


def test_another_seed_changes_the_folds_and_resamples_alone(models, draw, tmp_path):
    """The data name their own parts, so the split is theirs; the probe's folds and the bootstrap are the seed's."""
    for part, (name, colour) in itertools.product(("train", "test"), {"a": (9, 99, 199), "b": (99, 99, 9)}.items()):
        draw(tmp_path / part / name, colour, count=30, seed=len(part))
    one_seed, other = (visavis.compare([models.clip_vit, models.vit], tmp_path, seed=seed) for seed in (0, 1))

    def without_probe(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["measure"] != "linear_probe"].reset_index(drop=True)

    pd.testing.assert_frame_equal(without_probe(one_seed.predictions), without_probe(other.predictions))
    before, after = without_probe(one_seed.results), without_probe(other.results)
    counted = before["metric"] != "images_per_s"
    pd.testing.assert_series_equal(before["value"][counted], after["value"][counted], check_exact=True)
    assert not before["low"].equals(after["low"])
    assert (without_probe(one_seed.pairs)["p_value"] == without_probe(other.pairs)["p_value"]).all()


def test_another_seed_draws_another_split(models, photos):
    samples = [set(visavis.compare([models.vit], photos, seed=seed).predictions["sample"]) for seed in (0, 1)]
    assert samples[0] != samples[1]
    assert len(samples[0]) == len(samples[1]) == 6 * 4


def test_a_class_of_one_image_is_predicted_but_not_tested(models, draw, tmp_path):
    draw(tmp_path / "many", (200, 20, 20), 6)
    draw(tmp_path / "more", (20, 20, 200), 6)
    draw(tmp_path / "lone", (20, 200, 20), 1)
    study = visavis.compare([models.clip_vit], tmp_path)
    assert set(study.predictions["label"]) == {"many", "more"}
    assert study.protocol["data"]["classes"] == 3
    assert "never tested: lone" in study.protocol["data"]["split"]
    reason = next(cell["reason"] for cell in study.protocol["empty_cells"] if cell["measure"] == "linear_probe")
    assert "'lone' has one" in reason
    assert study.pairs.empty
    assert "no other model" in study.verdict


def test_prompts_are_the_callers(models, photos):
    plain = visavis.compare([models.clip_vit], photos)
    asked = visavis.compare([models.clip_vit], photos, templates=["an icon of {}", "{}"])
    assert asked.protocol["measures"]["zero_shot"]["templates"] == ["an icon of {}", "{}"]
    assert plain.protocol["measures"]["zero_shot"]["templates"] == ["a photo of a {}."]
    confidence = [study.predictions.query("measure == 'zero_shot'")["confidence"] for study in (plain, asked)]
    assert not confidence[0].equals(confidence[1])


def test_a_table_of_paths_does_as_well(models, photos, class_names):
    rows = [(str(path), path.parent.name) for path in sorted(photos.rglob("*.png"))]
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(photos.parent / "table.csv", index=False)
    table = visavis.compare([models.resnet], photos.parent / "table.csv")
    assert set(table.predictions["label"]) == set(class_names)


def test_a_file_that_goes_away_during_the_run_is_named(models, draw, tmp_path):
    draw(tmp_path / "data/a", (9, 99, 199), 4)
    draw(tmp_path / "data/b", (199, 99, 9), 4)

    def tidy_up(stage: str, done: int, total: int) -> None:
        if stage.startswith("measures of"):
            shutil.rmtree(tmp_path / "data", ignore_errors=True)

    with pytest.raises(visavis.VisavisError, match=r"'[ab]/\d.png' could be read .* and cannot be any more"):
        visavis.compare([models.vit], tmp_path / "data", out=tmp_path / "out", progress=tidy_up)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".unfinished"]


def test_few_large_pictures_are_timed(models, photos, monkeypatch):
    """24 x 30 pixels each: the third brings them to the limit."""
    monkeypatch.setattr("visavis.study.cost.TIMED_PIXELS", 3 * 24 * 30)
    study = visavis.compare([models.vit], photos)
    assert one(study.results, metric="images_per_s")["n"] == 3


@pytest.mark.parametrize(
    "wrong", [{"models": "resnet-mini.emoji"}, {"views": "clean"}, {"templates": "a {}"}, {"models": []}]
)
def test_a_text_is_no_list(wrong):
    with pytest.raises(UsageError, match=r"must be a list|No model"):
        visavis.compare(**{"models": ["resnet-mini.emoji"], "data": "emoji", **wrong})


# -- by hand -------------------------------------------------------------------------------------------------------


def one(table: pd.DataFrame, **wanted: str) -> pd.Series:
    """The one row whose columns hold these values."""
    found = table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])]
    assert len(found) == 1
    return found.iloc[0]


def exact_mcnemar(only_a: int, only_b: int) -> float:
    """Twice the tail of a fair coin thrown only_a + only_b times, by adding up Pascal's triangle."""
    thrown = only_a + only_b
    tail = sum(math.comb(thrown, heads) for heads in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**thrown)


def by_holm(p_values: list[float]) -> list[float]:
    """The i-th smallest of m times m - i + 1, never below a smaller one's."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - place)))
        adjusted[index] = highest
    return adjusted


def test_views_asked_at_once_or_one_by_one_give_the_same_rows(models, photos, monkeypatch):
    asked = {"views": ["clean", "mirror", "grayscale"], "measures": ["zero_shot", "knn", "linear_probe"]}
    together = visavis.compare([models.clip_vit, models.resnet], photos, **asked)
    monkeypatch.setattr("visavis.study.run.CELLS", 1)
    alone = visavis.compare([models.clip_vit, models.resnet], photos, **asked)
    pd.testing.assert_frame_equal(together.predictions, alone.predictions, atol=1e-5)
    assert list(dict.fromkeys(together.predictions["view"])) == asked["views"]
