"""The chapter of maps: the same images and colours for all models, the first map explains its own turned copy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters import maps as chapter
from visavis.study.chapters.maps import maps


def make(vectors: dict[str, np.ndarray], n_classes: int = 4):
    truth = np.arange(len(next(iter(vectors.values())))) % n_classes
    probabilities = {("knn", name): draw_probabilities(truth, n_classes, skill=2.0) for name in vectors}
    material = make_material(probabilities, truth)
    return replace(material, embed=lambda encoder, samples, view: vectors[encoder.name][: len(samples)])


@pytest.fixture(scope="module")
def vectors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    own = random.normal(size=(90, 6)).astype(np.float32) * [3, 2, 1, 1, 1, 1]
    swapped = own[:, [1, 0, 2, 3, 4, 5]]  # another order of the axes: the same map
    return {"A": own, "B": swapped.astype(np.float32), "C": random.normal(size=(90, 6)).astype(np.float32)}


def test_a_copy_is_explained_whole_and_noise_is_not(vectors):
    written = maps(make(vectors))
    fit = written.tables["maps_fit"].set_index("model")
    assert fit.loc["A", ["value", "low", "high"]].isna().all()
    assert fit.loc["B", "value"] == pytest.approx(1)
    assert fit.loc["C", "value"] < 0.2
    for model in ("B", "C"):
        assert fit.loc[model, "low"] <= fit.loc[model, "value"] <= fit.loc[model, "high"]
    assert (fit["n"] == 90).all()
    assert written.headline.startswith("A’s map explains 100.0")
    assert written.headline.endswith("of C’s")


def test_all_models_share_images_and_colours(vectors):
    table = maps(make(vectors)).tables["maps"]
    apart = {model: own.set_index("sample") for model, own in table.groupby("model")}
    for model in ("B", "C"):
        assert apart[model].index.tolist() == apart["A"].index.tolist()
        assert (apart[model]["colour"] == apart["A"]["colour"]).all()
    np.testing.assert_allclose(apart["B"][["x", "y"]], apart["A"][["x", "y"]], atol=2e-4)
    assert (table.groupby("label")["colour"].nunique() == 1).all()
    assert table["label"].nunique() == table["colour"].nunique() == 4


def test_of_many_classes_colours_are_sectors_and_no_class_is_named(vectors):
    table = maps(make(vectors, n_classes=30)).tables["maps"]
    assert set(table["label"]) == {""}
    assert set(table["colour"]) <= set(range(8))
    assert table["colour"].nunique() > 4


def test_pictures_are_a_few_of_the_images_drawn(vectors):
    written = maps(make(vectors))
    pictured = written.tables["maps"].query("pictured")
    assert set(written.pictures) == set(pictured["sample"])
    assert len(written.pictures) == chapter.PICTURES


def test_a_page_draws_no_more_than_it_can(vectors, monkeypatch):
    monkeypatch.setattr(chapter, "POINTS", 50)
    written = maps(make(vectors))
    assert written.tables["maps"].groupby("model")["sample"].nunique().tolist() == [50, 50, 50]
    assert (written.tables["maps_fit"]["n"] == 50).all()
    assert set(written.tables["maps"]["sample"]) == set(maps(make(vectors)).tables["maps"]["sample"])


def test_one_model_has_one_map(vectors):
    assert maps(make({"A": vectors["A"]})).headline.startswith("Two axes hold ")


def test_where_there_is_no_map(vectors):
    with pytest.raises(NotMeasurable, match="2 test images make no map"):
        maps(make({"A": vectors["A"][:2]}, n_classes=2))
    with pytest.raises(NotMeasurable, match="no map of A: all vectors point the same way"):
        maps(make({"A": np.ones((20, 4), np.float32)}))
