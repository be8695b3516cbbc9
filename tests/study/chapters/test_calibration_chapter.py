"""The chapter on calibration: its numbers again from the probabilities, its sentences, its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.evaluate.calibration import equal_mass_bins, expected_calibration_error, image_scores
from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.calibration import calibration

TRUTH = np.arange(300) % 6
PROBABILITIES = {
    ("classifier", "honest"): draw_probabilities(TRUTH, 6, skill=2.0, sharpness=2.0),
    ("zero_shot", "boaster"): draw_probabilities(TRUTH, 6, skill=1.5, sharpness=6.0, seed=1),
}


@pytest.fixture(scope="module")
def written():
    return calibration(make_material(PROBABILITIES, TRUTH))


def cell(chapter, model, metric, scaling="none"):
    table = chapter.tables["calibration"].set_index(["model", "metric", "scaling"])
    return table.loc[(model, metric, scaling)]


def test_values_follow_from_the_probabilities(written):
    scores = image_scores(PROBABILITIES["zero_shot", "boaster"], TRUTH)
    error = expected_calibration_error(scores.gap, equal_mass_bins(scores.confidence))
    assert cell(written, "boaster", "ece")["value"] == pytest.approx(error)
    for metric, each in {"brier": scores.brier, "nll": scores.nll, "overconfidence": scores.gap}.items():
        row = cell(written, "boaster", metric)
        assert row["value"] == pytest.approx(each.mean())
        half = 1.96 * each.std() / np.sqrt(300)
        assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.1)
    assert set(written.tables["calibration"]["measure"]) == {"naming"}  # which the two kinds share


def test_intervals_hold_their_values(written):
    table = written.tables["calibration"].dropna()
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert (table["n"] == 300).all()


def test_an_honest_model_is_not_told_from_a_calibrated_one(written):
    assert cell(written, "honest", "l2_error_debiased")["low"] == 0
    assert cell(written, "honest", "ece")["low"] == 0
    assert cell(written, "boaster", "l2_error_debiased")["low"] > 0.1


def test_a_temperature_mends_a_boaster_and_changes_no_decision(written):
    before, after = (cell(written, "boaster", "l2_error_debiased", scaling) for scaling in ("none", "temperature"))
    assert after["high"] < before["low"]
    fitted = written.tables["temperatures"].set_index(["model", "half"])
    assert (fitted.loc["boaster", "temperature"] > 2).all()
    assert fitted["n"].tolist() == [150] * 4
    reliability = written.tables["reliability"]
    right = reliability.assign(right=reliability["accuracy"] * reliability["n"])
    sums = right.groupby(["model", "scaling"])["right"].sum()
    assert sums["boaster", "none"] == pytest.approx(sums["boaster", "temperature"])


def test_what_a_temperature_changes_is_paired(written):
    gains = written.tables["temperature_gains"].set_index(["model", "metric"])
    for metric in ("brier", "nll"):
        before, after = (cell(written, "boaster", metric, scaling) for scaling in ("none", "temperature"))
        gain = gains.loc[("boaster", metric)]
        assert gain["difference"] == pytest.approx(after["value"] - before["value"])
        assert gain["low"] < gain["difference"] < gain["high"] < 0
    assert gains.loc[("honest", "nll"), "low"] < 0 < gains.loc[("honest", "nll"), "high"]


def test_reliability_counts_every_image_once(written):
    table = written.tables["reliability"]
    assert (table.groupby(["model", "scaling"])["n"].sum() == 300).all()
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()


def test_the_headline_names_both_ends_and_the_verdict_hears_of_a_boaster_that_leads(written):
    assert written.headline.startswith("honest’s confidence is off by")
    assert written.says == ()  # the honest one is better
    alone = calibration(make_material({("knn", "boaster"): PROBABILITIES["zero_shot", "boaster"]}, TRUTH))
    (sentence,) = alone.says
    assert sentence.startswith("boaster is ")
    assert "more confident than right" in sentence
    assert "with a temperature it is off by" in sentence


def test_few_images_are_too_few():
    few = {key: value[:19] for key, value in PROBABILITIES.items()}
    with pytest.raises(NotMeasurable, match="at least 20 test images; there are 19"):
        calibration(make_material(few, TRUTH[:19]))
