"""The chapter on the ranking: its shares again from resamples, and what it says of certainty."""

from __future__ import annotations

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.ranking import in_percent, ranking

TRUTH = np.arange(240) % 6


def material(*skills: float, groups: tuple[str, ...] = ()):
    probabilities = {
        ("knn", name): draw_probabilities(TRUTH, 6, skill=skill, seed=number)
        for number, (name, skill) in enumerate(zip("ABCD", skills, strict=False))
    }
    return make_material(probabilities, TRUTH, groups=groups)


def test_shares_are_those_of_resamples_of_the_images():
    # classes of 40 images are strata; 4,000 resamples of our own, whose error is a percent
    made = material(1.2, 1.1, 0.8)
    table = ranking(made).tables["ranking"]
    shares = table.pivot(index="model", columns="rank", values="probability")
    assert shares.sum(axis=0).to_numpy() == pytest.approx(np.ones(3))
    right = np.stack([scores.argmax(axis=1) == TRUTH for scores in made.probabilities.values()], axis=1)
    chance = np.random.default_rng(1)
    drawn = 6 * chance.integers(0, 40, (4000, 240)) + TRUTH
    means = np.stack([right[rows].mean(axis=0) for rows in drawn])
    best = (means == means.max(axis=1, keepdims=True)) / (means == means.max(axis=1, keepdims=True)).sum(1)[:, None]
    assert shares[1].to_numpy() == pytest.approx(best.mean(axis=0), abs=0.04)
    assert table["n"].eq(240).all()


def test_a_clear_ranking_is_said_to_be_clear():
    written = ranking(material(3.0, 1.5, 0.2))
    assert written.headline.startswith("A comes first in all of the resamples")
    orders = written.tables["ranking_orders"]
    assert orders.iloc[0][["order", "observed"]].tolist() == ["A > B > C", True]


def test_copies_in_groups_are_no_more_certain_than_one_image_each():
    # 60 images, each five times: as 300 lone images they would tell much, as 60 groups no more than 60
    truth = np.repeat(np.arange(60) % 6, 5)
    probabilities = {
        ("knn", name): np.repeat(draw_probabilities(truth[::5], 6, skill=skill, seed=seed), 5, axis=0)
        for name, skill, seed in (("A", 1.4, 3), ("B", 1.1, 4))
    }
    groups = tuple(f"image {number // 5}" for number in range(300))
    alone, grouped = (
        ranking(make_material(probabilities, truth, groups=own)).tables["ranking"]["probability"].max()
        for own in ((), groups)
    )
    assert 0.5 < grouped < alone - 0.02


def test_one_model_has_no_ranking():
    with pytest.raises(NotMeasurable, match="two models"):
        ranking(material(1.0))


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "all"), (0.9995, "more than 99%"), (0.8349, "83%"), (0.0, "less than 1%")]
)
def test_no_share_is_rounded_to_certainty(share, words):
    assert in_percent(share) == words
