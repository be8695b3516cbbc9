"""The chapter on few labels: accuracies by counting, what naming is worth, its refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.data.dataset import Sample
from visavis.evaluate.few_shot import few_shot as fit_probes
from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.few_shot import DRAWS, few_shot

TRUTH = np.arange(300) % 5
TRAIN_TRUTH = np.repeat(np.arange(5), 8)


def vectors(truth, noise, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(5, 8))
    return (centres[truth] + noise * rng.normal(size=(len(truth), 8))).astype(np.float32)


def material_with(train_truth, skill=2.2):
    """Model A sees little noise and has a text tower, model B much and has none."""
    made = make_material(
        {
            ("zero_shot", "A"): draw_probabilities(TRUTH, 5, skill=skill),
            ("knn", "B"): draw_probabilities(TRUTH, 5, skill=1.0),
        },
        TRUTH,
    )
    classes = made.plan.classes
    train = tuple(
        Sample(id=f"t{place}", name="", data=b"", label=classes[label], part="train")
        for place, label in enumerate(train_truth)
    )
    dataset = replace(made.plan.dataset, samples=made.plan.dataset.samples + train)
    known = {"A": 0.8, "B": 3.0}

    def features(encoder, samples, view):
        part = samples[0].part
        truth = TRUTH if part == "test" else np.asarray(train_truth)
        return vectors(truth, known[encoder.name], seed=len(part))

    return replace(made, plan=replace(made.plan, dataset=dataset), features=features)


@pytest.fixture(scope="module")
def written():
    return few_shot(material_with(TRAIN_TRUTH))


def test_accuracies_by_counting(written):
    table = written.tables["few_shot"].set_index(["model", "shots"])
    train, test = vectors(TRAIN_TRUTH, 0.8, seed=5), vectors(TRUTH, 0.8, seed=4)
    shares = [
        (answers == TRUTH).mean()
        for shots, _, answers in fit_probes(train, TRAIN_TRUTH, test, (1, 2, 4, 8), DRAWS, seed=0)
        if shots == 2
    ]
    row = table.loc[("A", 2)]
    assert row["value"] == pytest.approx(np.mean(shares))
    assert (row["draw_low"], row["draw_high"]) == pytest.approx((min(shares), max(shares)))
    assert row["low"] < row["value"] < row["high"]
    assert (row["images"], row["draws"], row["n"]) == (10, DRAWS, 300)
    assert list(table.loc["A"].index) == [1, 2, 4, 8]
    assert (table.loc["A"]["value"].diff().dropna() > 0).all()


def test_what_naming_is_worth(written):
    worth = written.tables["few_shot_worth"].set_index("model")
    assert list(worth.index) == ["A"]
    row = worth.loc["A"]
    assert row["low"] <= row["shots"] <= row["high"]
    curve = written.tables["few_shot"].set_index(["model", "shots"])["value"]["A"]
    assert curve[curve < row["naming"]].index.max() <= row["shots"] <= curve[curve >= row["naming"]].index.min()
    assert written.headline.startswith(f"What A names without examples is worth {row['shots']:.1f} [")


def test_naming_beyond_all_that_was_tried():
    perfect = few_shot(material_with(TRAIN_TRUTH, skill=30.0))
    row = perfect.tables["few_shot_worth"].iloc[0]
    assert np.isinf([row["shots"], row["low"], row["high"]]).all()
    assert perfect.headline.endswith("worth more than 8 labelled images of each class")


def test_naming_worth_less_than_one_image():
    poor = few_shot(material_with(TRAIN_TRUTH, skill=-3.0))
    assert poor.tables["few_shot_worth"].iloc[0]["shots"] == 0
    assert poor.headline.endswith("worth no more than 1 labelled image of each class")


def test_no_training_images_no_chapter():
    with pytest.raises(NotMeasurable, match="need training images"):
        few_shot(material_with([]))
