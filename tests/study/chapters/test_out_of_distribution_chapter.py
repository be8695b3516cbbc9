"""The chapter on other images: what a model that sees the difference gets, intervals, refusals."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material
from sklearn.metrics import roc_auc_score

from visavis.data.dataset import Sample
from visavis.evaluate.scores import NotMeasurable, softmax
from visavis.study.chapters.out_of_distribution import out_of_distribution

TRUTH = np.arange(200) % 4
OTHERS = tuple(Sample(id=f"o{number}", name="other", data=b"") for number in range(60))
WEIGHT = np.eye(4, 6, dtype=np.float32)
RANDOM = np.random.default_rng(0)
TEST = (3 * WEIGHT[TRUTH] + RANDOM.normal(size=(200, 6))).astype(np.float32)
STRANGE = RANDOM.normal(size=(60, 6)).astype(np.float32)


def embed(encoder, samples, view):
    """Vectors by the kind of images; nothing trains."""
    if not samples:
        return np.empty((0, 6), np.float32)
    return STRANGE if samples[0].name == "other" else TEST


@pytest.fixture(scope="module")
def material():
    made = make_material({("classifier", "model"): draw_probabilities(TRUTH, 4, skill=2.0)}, TRUTH)
    encoder = SimpleNamespace(name="model", logit_scale=None, head=(WEIGHT, np.zeros(4, np.float32)))
    return replace(made, plan=replace(made.plan, encoders=(encoder,), others=OTHERS), embed=embed)


def test_areas_follow_from_the_logits(material):
    table = out_of_distribution(material).tables["out_of_distribution"].set_index(["score", "metric"])
    assert sorted(set(table.index.get_level_values(0))) == ["energy", "max_logit", "max_probability"]  # nothing trains
    kinds = [1] * 200 + [0] * 60
    logits = np.vstack([TEST, STRANGE]) @ WEIGHT.T
    for score, values in {
        "max_probability": softmax(logits).max(axis=1),
        "max_logit": logits.max(axis=1),
        "energy": np.log(np.exp(logits).sum(axis=1)),
    }.items():
        row = table.loc[(score, "auroc")]
        assert row["value"] == pytest.approx(roc_auc_score(kinds, values), abs=1e-4)
        assert 0.5 < row["low"] < row["value"] < row["high"] <= 1
        assert (row["n_own"], row["n_others"]) == (200, 60)


def test_intervals_are_those_of_resampling_both_kinds(material):
    table = out_of_distribution(material).tables["out_of_distribution"].set_index(["score", "metric"])
    own, others = (TEST @ WEIGHT.T).max(axis=1), (STRANGE @ WEIGHT.T).max(axis=1)
    random = np.random.default_rng(1)
    areas, alarms = [], []
    for _ in range(1500):
        a, b = random.choice(own, 200), random.choice(others, 60)
        areas.append((a[:, None] > b).mean() + (a[:, None] == b).mean() / 2)
        alarms.append((b >= np.sort(a)[10]).mean())
    for metric, draws in {"auroc": areas, "fpr95": alarms}.items():
        row = table.loc[("max_logit", metric)]
        assert (row["low"], row["high"]) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.03)


def test_without_other_images_it_says_how_to_give_some(material):
    with pytest.raises(NotMeasurable, match="--others FOLDER"):
        out_of_distribution(replace(material, plan=replace(material.plan, others=())))
