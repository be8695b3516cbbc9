"""What to use for what: each line against the tests it stands on, and "can't tell yet" where they do not tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_material import draw_probabilities, make_material

from visavis.study.chapters.chapter import Chapter
from visavis.study.chapters.ensemble import ensemble
from visavis.study.chapters.recommend import recommend

TRUTH = np.arange(400) % 5
GOOD, FAIR, POOR = (draw_probabilities(TRUTH, 5, skill=skill, seed=seed) for seed, skill in enumerate((3.0, 2.9, 1.0)))


def lines(material) -> pd.DataFrame:
    return recommend(material).tables["recommend"].set_index("situation")


def with_costs(material, speeds: dict[str, tuple[float, float, float]], params: dict[str, float]):
    rows = [
        {"model": model, "view": "", "measure": "cost", "metric": "images_per_s", "value": v, "low": low, "high": high}
        for model, (v, low, high) in speeds.items()
    ]
    rows += [
        {"model": model, "view": "", "measure": "cost", "metric": "params", "value": value}
        for model, value in params.items()
    ]
    return replace(material, results=pd.concat([material.results, pd.DataFrame(rows)], ignore_index=True))


def test_a_clear_winner_is_shown_with_the_pairs_own_numbers():
    material = make_material({("knn", "A"): GOOD, ("knn", "B"): POOR}, TRUTH)
    row = lines(material).loc["labels"]
    assert (row["choice"], row["certainty"], row["rivals"]) == ("A", "shown", "")
    accuracy = material.results.query("model == 'A' and metric == 'accuracy' and measure == 'knn'").iloc[0]
    assert row[["value", "low", "high", "n"]].tolist() == accuracy[["value", "low", "high", "n"]].tolist()
    assert "more than B (adjusted p < 0.001)" in row["evidence"]


def test_equals_are_left_open_and_the_images_that_would_do_are_said():
    row = lines(make_material({("knn", "A"): GOOD, ("knn", "B"): FAIR}, TRUTH)).loc["labels"]
    assert (row["choice"], row["certainty"]) == ("", "open")
    assert set(row["rivals"].split(" + ")) == {"A", "B"}
    assert row["evidence"].startswith("These 400 images do not tell")


def test_each_model_counts_at_its_best_where_any_means_will_do():
    """A is best by its neighbours, B by naming: the pair that decides is that of these two columns."""
    probabilities = {("knn", "A"): GOOD, ("knn", "B"): POOR, ("zero_shot", "A"): POOR, ("zero_shot", "B"): FAIR}
    table = lines(make_material(probabilities, TRUTH))
    right = {name: (scores.argmax(axis=1) == TRUTH).mean() for name, scores in {"A": GOOD, "B": FAIR}.items()}
    row = table.loc["accuracy"]
    assert row["value"] == pytest.approx(max(right.values()))
    assert row["certainty"] == "open"
    assert "A by nearest neighbours" in row["evidence"]
    assert "B by zero-shot" in row["evidence"]
    assert table.loc["labels", "choice"] == "A"
    assert table.loc["no_labels", "choice"] == "B"


def test_speed_is_shown_only_where_no_timing_overlaps_and_size_is_counted():
    material = make_material({("knn", "A"): GOOD, ("knn", "B"): POOR}, TRUTH)
    apart = lines(with_costs(material, {"A": (100, 95, 105), "B": (220, 210, 230)}, {"A": 4e6, "B": 1e6}))
    assert apart.loc["speed", ["choice", "certainty", "value"]].tolist() == ["B", "shown", 220]
    assert "2.2 times as fast as A" in apart.loc["speed", "evidence"]
    assert apart.loc["size", ["choice", "certainty", "value"]].tolist() == ["B", "counted", 1e6]
    assert "75% fewer than A" in apart.loc["size", "evidence"]
    close = lines(with_costs(material, {"A": (100, 95, 105), "B": (102, 96, 110)}, {"A": 1e6, "B": 1e6}))
    assert close.loc["speed", ["choice", "certainty", "rivals"]].tolist() == ["", "open", "B + A"]
    assert close.loc["size", "certainty"] == "open"


def test_under_change_the_mean_over_the_other_views_decides():
    material = make_material({("knn", "A"): GOOD, ("knn", "B"): FAIR}, TRUTH)
    worse = make_material({("knn", "A"): POOR, ("knn", "B"): GOOD}, TRUTH).predictions
    shown = [worse.assign(view="blur"), worse.assign(view="noise")]
    changed = replace(material, predictions=pd.concat([material.predictions, *shown], ignore_index=True))
    row = lines(changed).loc["change"]
    assert row[["choice", "certainty", "n"]].tolist() == ["B", "shown", 400]
    assert row["value"] == pytest.approx((GOOD.argmax(axis=1) == TRUTH).mean())
    assert row["low"] < row["value"] < row["high"]
    assert "over blur and noise" in row["evidence"]
    assert lines(material).loc["change", "certainty"] == "missing"


@pytest.mark.parametrize(("lead", "certainty"), [(0.2, "shown"), (0.05, "open")])
def test_few_labels_follow_the_curve_where_there_is_one(lead, certainty):
    rows = [(model, shots, 0.5 + gain, 0.45 + gain, 0.55 + gain)
            for model, gain in (("A", 0.0), ("B", lead)) for shots in (1, 4, 16)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "shots", "value", "low", "high"])
    earlier = {"few_shot": Chapter(tables={"few_shot": table}, headline="")}
    material = replace(make_material({("knn", "A"): GOOD, ("knn", "B"): FAIR}, TRUTH), earlier=earlier)
    row = lines(material).loc["few_labels"]
    assert row["certainty"] == certainty
    assert row["choice"] == ("B" if certainty == "shown" else "")
    assert "with 4 labelled images a class" in row["evidence"]


def test_together_repeats_the_ensembles_finding():
    material = make_material({("knn", "A"): GOOD, ("knn", "B"): POOR}, TRUTH)
    chapter = ensemble(material)
    row = lines(replace(material, earlier={"ensemble": chapter})).loc["together"]
    assert row["evidence"] == f"{chapter.headline}."
    assert row["certainty"] == ("shown" if chapter.tables["ensemble"]["better"].any() else "open")


def test_one_model_has_no_rival():
    chapter = recommend(make_material({("knn", "A"): GOOD}, TRUTH))
    table = chapter.tables["recommend"].set_index("situation")
    assert table.loc["labels", ["choice", "certainty"]].tolist() == ["A", "alone"]
    assert table.loc["no_labels", "certainty"] == "missing"
    assert chapter.headline == "These images do not tell yet which model to use"


def test_the_headline_names_all_that_lead_somewhere():
    probabilities = {("knn", "A"): GOOD, ("knn", "B"): POOR, ("zero_shot", "A"): POOR, ("zero_shot", "B"): FAIR}
    assert recommend(make_material(probabilities, TRUTH)).headline.startswith("It depends on what counts: ")
    alone = recommend(make_material({("knn", "A"): GOOD, ("knn", "B"): POOR}, TRUTH))
    assert alone.headline == "A, wherever the tests can tell"
