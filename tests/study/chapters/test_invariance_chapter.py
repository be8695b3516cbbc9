"""The chapter on invariance: changes of accuracy and similarities again from their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_views import draw_right, make_viewed

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.invariance import invariance

RIGHT = {
    "clean": {"A": draw_right(0.8, seed=0), "B": draw_right(0.7, seed=1)},
    "mirror": {"A": draw_right(0.8, seed=0), "B": draw_right(0.65, seed=1)},
    "rotate:45": {"A": draw_right(0.3, seed=0), "B": draw_right(0.6, seed=1)},
}
MOVED = {"clean": 0.0, "mirror": 0.0, "rotate:45": 1.0}


def embed(encoder, samples, view):
    """Vectors in a cone, which a turn moves; those of B half as far."""
    generator = np.random.default_rng(5)
    vectors = generator.normal(size=(len(samples), 8)) + 2
    noise = np.random.default_rng(6).normal(size=(len(samples), 8))
    return (vectors + MOVED[view.name] * {"A": 1.0, "B": 0.5}[encoder.name] * noise).astype(np.float32)


@pytest.fixture(scope="module")
def written():
    return invariance(replace(make_viewed(RIGHT), embed=embed))


def test_changes_of_accuracy(written):
    table = written.tables["invariance"].set_index(["view", "model"])
    assert len(table) == 4
    for (view, model), row in table.iterrows():
        assert row["value"] == pytest.approx(RIGHT[view][model].mean())
        assert row["change"] == pytest.approx(RIGHT[view][model].mean() - RIGHT["clean"][model].mean())
        assert row["change_low"] <= row["change"] <= row["change_high"]


def test_similarities(written):
    table = written.tables["invariance_similarity"].set_index(["view", "model"])
    assert table.loc[("mirror", "A"), "cosine"] == pytest.approx(1, abs=1e-6)
    assert table.loc[("mirror", "A"), "kept"] == pytest.approx(1, abs=1e-6)
    a, b = table.loc[("rotate:45", "A")], table.loc[("rotate:45", "B")]
    assert a["kept"] < b["kept"] < 1
    assert a["others"] == pytest.approx(b["others"])
    assert 0.5 < a["others"] < 0.9  # the cone
    assert a["kept"] == pytest.approx((a["cosine"] - a["others"]) / (1 - a["others"]))
    assert a["kept_low"] < a["kept"] < a["kept_high"]


def test_the_headline(written):
    assert written.headline.startswith("Of these changes rotate:45 moves embeddings most: B keeps ")


def test_not_asked_for():
    with pytest.raises(NotMeasurable, match="add --view invariance"):
        invariance(make_viewed({"clean": RIGHT["clean"]}))
