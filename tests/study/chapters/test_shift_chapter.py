"""Shift between groups: planted domains, equal training sets, data that have none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.data.dataset import Dataset
from visavis.data.views import parse_view
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.shift import matched
from visavis.study.chapters.shift import shift

N, CLASSES = 240, 4
TRUTH = np.arange(N) % CLASSES
SITES = [f"site {(place // CLASSES) % 3}" for place in range(N)]


def material_of(groups, moved: float):
    """Vectors that say the class, turned to another class's direction on each site by `moved`."""
    made = make_material({("knn", "A"): draw_probabilities(TRUTH, CLASSES, skill=2.0)}, TRUTH, groups=groups)
    samples = tuple(
        replace(sample, part="train" if place < N // 2 else "test")
        for place, sample in enumerate(made.plan.dataset.samples)
    )
    sites = np.array([int(site[-1]) for site in SITES])
    vectors = np.eye(CLASSES)[TRUTH] + moved * np.eye(CLASSES)[(TRUTH + sites) % CLASSES]
    vectors = (vectors + np.random.default_rng(0).normal(0, 0.2, vectors.shape)).astype(np.float32)
    place = {sample.id: number for number, sample in enumerate(samples)}
    plan = replace(
        made.plan, dataset=Dataset(name="sites", samples=samples),
        encoders=(SimpleNamespace(name="A", embed_dim=CLASSES),),
    )  # fmt: skip
    return replace(made, plan=plan, embed=lambda encoder, own, view: vectors[[place[one.id] for one in own]])


def test_a_planted_shift_is_found():
    table = shift(material_of(SITES, moved=3.0)).tables["shift"].set_index("group")
    assert list(table.index) == ["site 0", "site 1", "site 2", ""]
    assert table.loc["", "within"] > 0.95
    assert table.loc["", "across"] < 0.3
    assert table.loc["", "high"] < -0.5
    assert table["n"].tolist() == [80, 80, 80, 240]
    np.testing.assert_allclose(table["across"] - table["within"], table["difference"])


def test_without_shift_the_interval_holds_zero():
    chapter = shift(material_of(SITES, moved=0.0))
    row = chapter.tables["shift"].set_index("group").loc[""]
    assert row["low"] <= 0 <= row["high"]
    assert chapter.headline.startswith("Learning on other groups changes A's accuracy least, by ")


@pytest.mark.parametrize("groups", [[""] * N, ["one"] * N])
def test_data_without_domains(groups):
    with pytest.raises(NotMeasurable, match="needs two groups of at least 20 images"):
        shift(material_of(groups, moved=0.0))


def test_groups_of_one_class_are_no_domains():
    with pytest.raises(NotMeasurable, match="share several classes"):
        shift(material_of([f"class {label}" for label in TRUTH], moved=0.0))


def test_changed_images_alone():
    material = material_of(SITES, moved=0.0)
    with pytest.raises(NotMeasurable, match="name the view clean"):
        shift(replace(material, plan=replace(material.plan, views=(parse_view("grayscale"),))))


def test_matched_draws_as_many_of_each_class():
    classes = np.array([0, 0, 0, 1, 1, 2, 0, 0, 1, 1, 1])
    drawn = matched(classes, np.array([0, 1, 3, 5]), np.arange(6, 11), np.random.default_rng(0))
    assert sorted(classes[drawn]) == [0, 0, 1]  # there is no second image of class 2
    assert len(set(drawn)) == 3
    assert len(matched(classes, np.array([5]), np.arange(6, 11), np.random.default_rng(0))) == 0
