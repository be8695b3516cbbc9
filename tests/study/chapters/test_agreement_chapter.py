"""The chapter on agreement: counts and kappa again from the predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material
from sklearn.metrics import cohen_kappa_score

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.agreement import agreement

TRUTH = np.arange(240) % 6
PROBABILITIES = {
    ("knn", model): draw_probabilities(TRUTH, 6, skill=skill, seed=number)
    for number, (model, skill) in enumerate({"A": 2.0, "B": 1.5, "C": 1.0}.items())
}
RIGHT = {model: scores.argmax(axis=1) == TRUTH for (_, model), scores in PROBABILITIES.items()}


@pytest.fixture(scope="module")
def written():
    return agreement(make_material(PROBABILITIES, TRUTH))


def test_pairs_are_counted(written):
    table = written.tables["agreement"].set_index(["model_a", "model_b"])
    assert len(table) == 3
    for (a, b), row in table.iterrows():
        assert row["both"] == (RIGHT[a] & RIGHT[b]).sum()
        assert row["only_a"] == (RIGHT[a] & ~RIGHT[b]).sum()
        assert row["only_b"] == (RIGHT[b] & ~RIGHT[a]).sum()
        assert row["neither"] == (~RIGHT[a] & ~RIGHT[b]).sum()
        assert row["kappa"] == pytest.approx(cohen_kappa_score(RIGHT[a], RIGHT[b]))
        assert row["low"] < row["kappa"] < row["high"]


def test_who_is_right_alone_and_how_many_are_together(written):
    n_right = sum(right.astype(int) for right in RIGHT.values())
    alone = written.tables["right_alone"].set_index("model")
    for model, right in RIGHT.items():
        assert alone.loc[model, "alone"] == (right & (n_right == 1)).sum()
        assert alone.loc[model, "value"] == pytest.approx((right & (n_right == 1)).mean())
    together = written.tables["right_together"].set_index("n_right")["images"]
    assert together.to_dict() == {number: int((n_right == number).sum()) for number in range(4)}


def test_the_headline_names_the_least_and_the_most_alike(written):
    table = written.tables["agreement"].sort_values("kappa")
    assert written.headline.startswith(f"{table['model_a'].iloc[0]} and {table['model_b'].iloc[0]} fail on the most")
    assert f"κ = {table['kappa'].iloc[-1]:.2f}".replace("-", "−") in written.headline


def test_only_images_that_both_decided_count():
    material = make_material(PROBABILITIES, TRUTH)
    samples = sorted(set(material.predictions["sample"]))
    unasked = (material.predictions["model"] == "B") & material.predictions["sample"].isin(samples[:100])
    table = agreement(replace(material, predictions=material.predictions[~unasked])).tables["agreement"]
    table = table.set_index(["model_a", "model_b"])
    assert (table.loc[("A", "B"), "n"], table.loc[("A", "C"), "n"]) == (140, 240)
    assert table.loc[("A", "B"), ["both", "only_a", "only_b", "neither"]].sum() == 140


def test_always_right_is_not_compared():
    perfect = {("knn", model): np.eye(6, dtype=np.float32)[TRUTH] for model in "AB"}
    assert "cannot be compared" in agreement(make_material(perfect, TRUTH)).headline


def test_one_model_agrees_with_nobody():
    with pytest.raises(NotMeasurable, match="two models"):
        agreement(make_material({("knn", "A"): PROBABILITIES["knn", "A"]}, TRUTH))
