"""Two studies side by side: changes against counts by hand, families of tests, what is shared, what is told."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from scipy.stats import binomtest

from visavis.errors import UsageError
from visavis.study.effects import EFFECT_COLUMNS
from visavis.study.pairs import compare_pairs, tie_groups
from visavis.study.side_by_side import COLUMNS, compare_studies, write_side_by_side
from visavis.study.study import Study
from visavis.study.summary import summarize, with_naming


def study_of(predictions: pd.DataFrame, **protocol: object) -> Study:
    predictions = with_naming(predictions)
    pairs = compare_pairs(predictions, draws=200)
    thumbnails = pd.DataFrame(columns=["sample", "name", "label", "image"])
    said = {"verdict": "Use A. Or not.", "models": [{"name": "A", "fingerprint": "f"}], "chapters": {}, **protocol}
    return Study(
        results=tie_groups(summarize(predictions, draws=200), pairs), pairs=pairs, predictions=predictions,
        effects=pd.DataFrame(columns=list(EFFECT_COLUMNS)), thumbnails=thumbnails, protocol=said,
    )  # fmt: skip


def rows_of(found) -> pd.DataFrame:
    return found.accuracies.set_index(["measure", "model_a", "model_b"])


def test_a_change_is_the_second_less_the_first_on_the_shared_images(table):
    # the last ten images are the second's alone; of the 60 shared A gains 30 and loses 5
    before = "1" * 20 + "1" * 5 + "2" * 30 + "2" * 5
    after = "1" * 20 + "2" * 5 + "1" * 30 + "2" * 5
    found = compare_studies(study_of(table({"A": before})), study_of(table({"A": after + "1" * 10})))
    assert list(found.accuracies) == list(COLUMNS)
    row = rows_of(found).loc["knn", "A", "A"]
    assert (row["value_a"], row["n_a"]) == (25 / 60, 60)
    assert (row["value_b"], row["n_b"]) == (60 / 70, 70)
    assert row["difference"] == pytest.approx(25 / 60)
    assert row["low"] < 25 / 60 < row["high"]
    assert (row["n"], row["discordant"], found.shared) == (60, 35, 60)
    assert row["p_value"] == pytest.approx(binomtest(5, 35).pvalue)
    assert found.headline.startswith(
        "On the 60 images that both share, 1 of 1 accuracies changed; most that of A (knn)"
    )
    turned = rows_of(compare_studies(study_of(table({"A": after})), study_of(table({"A": before}))))
    assert turned.loc["knn", "A", "A"]["difference"] == pytest.approx(-25 / 60)
    assert turned.loc["knn", "A", "A"]["low"] == pytest.approx(-row["high"], abs=0.03)


def test_all_changes_are_one_family(table):
    first = [table({"A": "12" * 20, "B": "12" * 20}, measure=measure) for measure in ("knn", "linear_probe")]
    second = [table({"A": "1" * 32 + "2" * 8, "B": "12" * 20}, measure=measure) for measure in ("knn", "linear_probe")]
    found = rows_of(compare_studies(study_of(pd.concat(first)), study_of(pd.concat(second))))
    assert len(found) == 4
    raw = found["p_value"].sort_values()
    assert found.loc[raw.index[0], "p_adjusted"] == pytest.approx(min(1, 4 * raw.iloc[0]))


def test_a_model_of_one_study_stands_alone_and_the_best_are_compared(table):
    first = study_of(table({"A": "1" * 20 + "2" * 20, "B": "1" * 10 + "2" * 30}))
    second = study_of(table({"B": "1" * 10 + "2" * 30, "C": "1" * 39 + "2"}))
    found = compare_studies(first, second)
    rows = rows_of(found)
    assert math.isnan(rows.loc["knn", "A", "A"]["value_b"])
    assert math.isnan(rows.loc["knn", "A", "A"]["p_value"])
    assert math.isnan(rows.loc["knn", "C", "C"]["value_a"])
    assert rows.loc["knn", "B", "B"]["difference"] == 0
    best = rows.loc["knn", "A", "C"]
    assert (best["value_a"], best["value_b"]) == (0.5, 0.975)
    assert best["difference"] == pytest.approx(19 / 40)
    assert "none of 1 accuracies is shown to have changed" in found.headline  # the best of each are no change


def test_an_image_under_another_label_is_not_shared(table):
    labels = ["cat", "dog"] * 10
    renamed = ["dog", "cat", *labels[2:]]
    found = compare_studies(
        study_of(table({"A": "1" * 20}, labels=labels)), study_of(table({"A": "2" * 20}, labels=renamed))
    )
    assert found.shared == 18
    assert rows_of(found).loc["knn", "A", "A"]["n"] == 18


def test_nothing_in_common_is_said(table):
    first = table({"A": "12" * 10})
    other = first.assign(sample="other " + first["sample"])
    found = compare_studies(study_of(first), study_of(other))
    assert "share no image" in found.headline
    assert found.accuracies["p_value"].isna().all()
    apart = compare_studies(study_of(first), study_of(table({"B": "12" * 10})))
    assert "share 20 images, and no model in the same measure" in apart.headline


def test_what_naming_repeats_is_tested_once(table):
    both = pd.concat([table({"A": "12" * 10}, measure="zero_shot"), table({"B": "12" * 10}, measure="classifier")])
    found = compare_studies(study_of(both), study_of(both))
    assert set(found.accuracies["measure"]) == {"naming"}


def test_what_was_done_otherwise_is_told(table):
    first = study_of(table({"A": "12"}), seed=0, data={"name": "photos", "n_test": 2}, packages={"torch": "2.6"})
    models = [{"name": "A", "fingerprint": "other"}]
    second = study_of(table({"A": "12"}), seed=1, data={"name": "photos"}, packages={"torch": "2.6"}, models=models)
    found = compare_studies(first, second)
    assert found.changed == (("test images", 2, None), ("seed", 0, 1), ("weights of A", "f", "other"))
    assert found.same == ("data", "packages")


def test_the_page_shows_the_table_and_harms_nothing(table, tmp_path):
    nasty = "<script>alert(1)</script>"
    folders = [tmp_path / "before", tmp_path / "after <b>"]
    for number, folder in enumerate(folders):
        answers = {nasty: "12" * 30 if number else "1" * 60, "B": "1" * 30 + "2" * 30}
        study_of(table(answers), data={"name": nasty, "n_test": 60 + number}).save(folder)
    page_file = write_side_by_side(folders, tmp_path / "deep" / "both.html")
    page = page_file.read_text("utf-8")
    assert "<script>alert" not in page
    assert "after <b>" not in page
    assert "after &lt;b&gt;" in page
    cells = pd.read_csv(page_file.with_suffix(".csv")).select_dtypes("number").to_numpy().ravel()
    shown = [float(value) for value in re.findall(r'<data value="([^"]+)"', page)]
    assert len(shown) > 15
    assert set(shown) <= set(cells)


def test_both_must_be_studies(table, tmp_path):
    study_of(table({"A": "12"})).save(tmp_path / "one")
    with pytest.raises(UsageError, match="holds no study"):
        write_side_by_side([tmp_path / "one", tmp_path / "none"], tmp_path / "both.html")
