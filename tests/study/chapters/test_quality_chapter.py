"""The chapter on the data: doubtful labels, outliers, counts of classes, and what becomes of the lead."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material
from PIL import Image

from visavis.study.chapters.quality import KINDS, checked_for, quality, samples_concerned

TRUTH = np.arange(120) % 3
WRONG = [0, 1, 2, 3, 4, 5]  # images that bear the next class's label
LABELS = TRUTH.copy()
LABELS[WRONG] = (LABELS[WRONG] + 1) % 3
LONELY = 7  # an image far from all others
PROBABILITIES = {
    ("linear_probe", model): draw_probabilities(TRUTH, 3, skill=skill, sharpness=2.0, seed=number)
    for number, (model, skill) in enumerate({"A": 8.0, "B": 6.0}.items())
}


def embed(encoder, samples, view):
    """Vectors around their class's direction; one stands alone."""
    random = np.random.default_rng(ord(encoder.name))
    vectors = np.eye(3, 12)[TRUTH] * 3 + random.normal(size=(120, 12)) * 0.3
    vectors[LONELY] = -20 * np.eye(12)[11]
    return vectors.astype(np.float32)[: len(samples)]


@pytest.fixture(scope="module")
def material():
    made = make_material(PROBABILITIES, LABELS)
    # every picture is another noise, so that no hash makes near-duplicates of them
    samples = []
    for number, sample in enumerate(made.plan.dataset.samples):
        noise = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, "PNG")
        samples.append(replace(sample, data=stream.getvalue()))
    dataset = replace(made.plan.dataset, samples=tuple(samples))
    return replace(made, plan=replace(made.plan, dataset=dataset), embed=embed)


@pytest.fixture(scope="module")
def written(material):
    return quality(material)


def test_wrong_labels_are_doubted(material, written):
    found = written.tables["label_errors"]
    test = material.plan.part("test")
    assert set(found["sample"]) == {test[place].id for place in WRONG}
    classes = material.plan.classes
    by_id = {sample.id: place for place, sample in enumerate(test)}
    for row in found.itertuples():
        assert row.predicted == classes[TRUTH[by_id[row.sample]]]
        assert row.confidence > row.label_confidence


def test_an_image_unlike_all_others_is_found(material, written):
    assert list(written.tables["outliers"]["sample"]) == [material.plan.part("test")[LONELY].id]
    assert written.tables["duplicates"].empty


def test_classes_are_counted(written):
    counts = written.tables["quality"].set_index("finding")
    assert counts.loc["largest_class", "count"] == np.bincount(LABELS).max()
    assert counts.loc["smallest_class", "count"] == np.bincount(LABELS).min()
    assert counts.loc["few_test", "count"] == 0
    assert counts.loc["label_errors"].tolist() == [len(WRONG), 120]


def test_accuracies_without_them_stand_beside(written):
    effect = written.tables["quality_effect"].set_index(["left_out", "model"])
    assert set(effect.index.get_level_values(0)) == {"nothing", "label_errors", "outliers", "all"}
    right = PROBABILITIES["linear_probe", "A"].argmax(axis=1) == LABELS
    kept = ~np.isin(np.arange(120), WRONG)
    assert effect.loc[("nothing", "A"), "value"] == pytest.approx(right.mean())
    assert effect.loc[("label_errors", "A"), "value"] == pytest.approx(right[kept].mean())
    assert effect.loc[("all", "A"), "n"] == 120 - len(WRONG) - 1
    assert "6 have a doubtful label and 1 is unlike all others; without them" in written.headline
    assert written.says[0].startswith("Of the test images, ")


def test_only_the_kinds_asked_for_are_left_out(material):
    chapter, samples = checked_for(material, ["outliers"])
    assert samples == [material.plan.part("test")[LONELY].id]
    assert chapter.says[0].startswith("Of the test images, 1 is unlike all others, and all of this leaves them out.")


def test_every_kind_has_a_table(written):
    assert all(isinstance(samples_concerned(kind, written.tables[kind]), list) for kind in KINDS)


def test_nothing_found_is_said_and_changes_no_verdict(material):
    clean = make_material(PROBABILITIES, TRUTH)
    clean = replace(clean, plan=replace(clean.plan, dataset=replace(material.plan.dataset, samples=tuple(
        replace(sample, label=clean.plan.classes[label])
        for sample, label in zip(material.plan.dataset.samples, TRUTH, strict=True)
    ))), embed=lambda encoder, samples, view: np.eye(3, 12, dtype=np.float32)[TRUTH][: len(samples)]
        + np.random.default_rng(0).normal(size=(len(samples), 12)).astype(np.float32))  # fmt: skip
    chapter = quality(clean)
    assert chapter.headline == "Nothing was found that speaks against a test image"
    assert chapter.says == ()
    assert set(chapter.tables["quality_effect"]["left_out"]) == {"nothing"}
