"""The chapter on ensembles: its rows again from the probabilities, honesty of what is fitted, the sentence."""

from __future__ import annotations

import numpy as np
import pytest
from made_material import draw_probabilities, make_material
from statsmodels.stats.contingency_tables import mcnemar

from visavis.evaluate.scores import NotMeasurable, softmax
from visavis.study.chapters.ensemble import ensemble

TRUTH = np.arange(600) % 8
EQUALS = {("knn", model): draw_probabilities(TRUTH, 8, skill=1.5, seed=number) for number, model in enumerate("AB")}
SPEEDS = {"A": 100.0, "B": 50.0}


@pytest.fixture(scope="module")
def written():
    return ensemble(make_material(EQUALS, TRUTH, images_per_s=SPEEDS))


def test_the_average_follows_from_the_probabilities(written):
    row = written.tables["ensemble"].set_index("method").loc["average"]
    right = (EQUALS["knn", "A"] + EQUALS["knn", "B"]).argmax(axis=1) == TRUTH
    single = EQUALS["knn", row["single"]].argmax(axis=1) == TRUTH
    other = EQUALS["knn", "B" if row["single"] == "A" else "A"].argmax(axis=1) == TRUTH
    assert single.sum() >= other.sum()
    assert row["value"] == pytest.approx(right.mean())
    assert row["difference"] == pytest.approx(right.mean() - single.mean())
    counts = [[(right & single).sum(), (right & ~single).sum()], [(~right & single).sum(), (~right & ~single).sum()]]
    assert row["p_value"] == pytest.approx(mcnemar(counts, exact=True).pvalue)
    assert row["ms"] == pytest.approx(10 + 20)
    assert row["single_ms"] == pytest.approx(1000 / SPEEDS[row["single"]])
    assert written.tables["ensemble"].set_index("method").loc["oracle", "value"] == pytest.approx(
        (single | other).mean()
    )


def test_use_both_is_a_verdict(written):
    (sentence,) = written.says
    assert sentence.startswith("Where 30 ms an image in place of ")
    assert "use both " in sentence
    assert "more than" in sentence
    assert written.headline.endswith(" alone")


def test_a_model_and_its_copy_gain_nothing():
    copies = {("knn", model): EQUALS["knn", "A"] for model in "AB"}
    chapter = ensemble(make_material(copies, TRUTH))
    assert chapter.headline == "No ensemble is shown to be better than A alone"
    assert chapter.says == ()
    table = chapter.tables["ensemble"]
    assert (table["difference"] == 0).all()
    assert not table["better"].any()
    assert table["ms"].isna().all()


def test_what_is_fitted_never_sees_what_it_is_judged_on():
    # probabilities of noise: whatever is chosen on one half, the other half is named no better than by chance
    noise = {
        ("knn", model): softmax(np.random.default_rng(number).normal(size=(600, 8)).astype(np.float32))
        for number, model in enumerate("ABCDE")
    }
    table = ensemble(make_material(noise, TRUTH)).tables["ensemble"]
    fitted = table[table["method"].isin(["weighted", "per_class"])]
    assert (fitted["value"] < 0.125 + 4 * np.sqrt(0.125 * 0.875 / 600)).all()
    assert not fitted["better"].any()


def test_weights_are_fitted_for_each_half(written):
    weights = written.tables["ensemble_weights"]
    assert weights.groupby("half")["weight"].sum().tolist() == pytest.approx([1, 1])
    assert set(weights["model"]) == {"A", "B"}


def test_models_without_a_measure_in_common_are_joined_by_naming():
    split = {("classifier", "A"): EQUALS["knn", "A"], ("zero_shot", "B"): EQUALS["knn", "B"]}
    chapter = ensemble(make_material(split, TRUTH))
    assert set(chapter.tables["ensemble"]["measure"]) == {"naming"}
    assert "Better still, use both " in chapter.says[0]
    assert ("without examples" in chapter.says[0]) == ("fitted to labelled images" not in chapter.says[0])


def test_images_of_one_group_leave_nothing_to_fit_to():
    together = make_material(EQUALS, TRUTH, groups=["one video"] * len(TRUTH))
    table = ensemble(together).tables["ensemble"].set_index("method")
    assert table.loc["weighted", "value"] == table.loc["average", "value"]  # equal weights at temperature 1


def test_one_model_is_no_ensemble():
    with pytest.raises(NotMeasurable, match="two models"):
        ensemble(make_material({("knn", "A"): EQUALS["knn", "A"]}, TRUTH))
