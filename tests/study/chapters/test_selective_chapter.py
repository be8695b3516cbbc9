"""The chapter on rejection: accuracies by counting, the area, its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.selective import risk_coverage_area
from visavis.study.chapters.selective import selective

TRUTH = np.arange(400) % 5
PROBABILITIES = {
    ("knn", "A"): draw_probabilities(TRUTH, 5, skill=2.0),
    ("knn", "B"): draw_probabilities(TRUTH, 5, skill=1.0, seed=1),
}


@pytest.fixture(scope="module")
def written():
    return selective(make_material(PROBABILITIES, TRUTH))


@pytest.mark.parametrize(("model", "rejected"), [("A", 0.0), ("A", 0.1), ("B", 0.5)])
def test_accuracy_on_the_surest_by_counting(written, model, rejected):
    probabilities = PROBABILITIES["knn", model]
    surest = np.argsort(-probabilities.max(axis=1))[: round((1 - rejected) * 400)]
    table = written.tables["selective"].set_index(["model", "rejected"])
    row = table.loc[(model, rejected)]
    assert row["value"] == pytest.approx((probabilities.argmax(axis=1) == TRUTH)[surest].mean())
    assert row["low"] < row["value"] < row["high"]
    assert row["n"] == len(surest)


def test_the_area_and_what_rejecting_a_tenth_gains(written):
    probabilities = PROBABILITIES["knn", "B"]
    wrong = (probabilities.argmax(axis=1) != TRUTH).astype(float)
    areas = written.tables["selective_area"].set_index(["model", "metric"])
    assert areas.loc[("B", "aurc"), "value"] == pytest.approx(risk_coverage_area(probabilities.max(axis=1), wrong)[0])
    assert areas.loc[("B", "aurc_least"), "value"] < areas.loc[("B", "aurc"), "low"]
    gain = written.tables["selective_gain"].set_index("model").loc["A"]
    table = written.tables["selective"].set_index(["model", "rejected"])["value"]
    assert gain["difference"] == pytest.approx(table["A", 0.1] - table["A", 0.0])
    assert gain["low"] < gain["difference"] < gain["high"]
    assert written.headline.startswith("Without the 10% it is least sure of, A has ")


def test_a_model_that_is_never_wrong_keeps_an_interval():
    areas = selective(make_material({("knn", "A"): np.eye(5, dtype=np.float32)[TRUTH]}, TRUTH)).tables["selective_area"]
    row = areas.set_index("metric").loc["aurc"]
    assert row["value"] == row["low"] == 0
    assert 0 < row["high"] < 0.02


def test_few_images_are_too_few():
    with pytest.raises(NotMeasurable, match="at least 20"):
        selective(make_material({("knn", "A"): PROBABILITIES["knn", "A"][:10]}, TRUTH[:10]))
