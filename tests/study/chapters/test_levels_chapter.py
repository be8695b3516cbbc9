"""The chapter on shape and texture: shares again from the right answers, pairs, words."""

from __future__ import annotations

import numpy as np
import pytest
from made_views import draw_right, make_viewed

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.levels import levels

# A lives on texture: it keeps most when shuffled; B on shape.
VIEWS = {
    "clean": (0.9, 0.8), "patch_shuffle:2": (0.8, 0.5), "patch_shuffle:8": (0.7, 0.2), "low_pass:8": (0.4, 0.5),
    "edges": (0.1, 0.5), "silhouette": (0.2, 0.6),
}  # fmt: skip
RIGHT = {
    view: {model: draw_right(share, seed=place) for place, (model, share) in enumerate(zip("AB", shares, strict=True))}
    for view, shares in VIEWS.items()
}


@pytest.fixture(scope="module")
def written():
    return levels(make_viewed(RIGHT))


def test_accuracies_begin_where_nothing_is_changed(written):
    table = written.tables["levels"]
    shuffled = table[(table["kind"] == "patch_shuffle") & (table["model"] == "A")].set_index("level")["value"]
    assert shuffled.to_dict() == pytest.approx(
        {
            1: RIGHT["clean"]["A"].mean(),
            2: RIGHT["patch_shuffle:2"]["A"].mean(),
            8: RIGHT["patch_shuffle:8"]["A"].mean(),
        }
    )
    assert table.loc[table["kind"] == "low_pass", "level"].tolist() == [8, 8]
    assert table.loc[table["kind"] == "edges", "level"].isna().all()


def test_the_shares_that_are_kept(written):
    table = written.tables["levels_kept"].set_index(["kind", "model"])
    for model in "AB":
        clean = RIGHT["clean"][model].mean()
        for kind, views in (
            ("patch_shuffle", ("patch_shuffle:2", "patch_shuffle:8")),
            ("outline", ("edges", "silhouette")),
        ):
            row = table.loc[(kind, model)]
            expected = np.mean([RIGHT[view][model].mean() for view in views]) / clean
            assert row["value"] == pytest.approx(expected)
            assert row["low"] < expected < row["high"]


def test_pairs_by_kind(written):
    pairs = written.tables["levels_pairs"].set_index("kind")
    kept = written.tables["levels_kept"].set_index(["kind", "model"])["value"]
    assert pairs["model_a"].to_dict() == {"patch_shuffle": "A", "low_pass": "B", "outline": "B"}
    for kind, row in pairs.iterrows():
        assert row["difference"] == pytest.approx(kept[kind, row["model_a"]] - kept[kind, row["model_b"]])
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["p_adjusted"] < 0.001


def test_the_headline_says_who_lives_on_what(written):
    without, shuffled = written.headline.split("; ")
    assert without.startswith("Without texture B keeps the largest share of its accuracy, ")
    assert shuffled.startswith("with its parts shuffled A keeps the largest share of its accuracy, ")


def test_a_headline_without_either():
    own = {view: RIGHT[view] for view in ("clean", "low_pass:8")}
    assert levels(make_viewed(own)).headline.startswith("A loses most: under low_pass it keeps ")


def test_nothing_is_kept_of_nothing():
    never = {view: {"A": np.zeros(40, bool)} for view in ("clean", "edges")}
    with pytest.raises(NotMeasurable, match="No model is above chance on the unchanged images"):
        levels(make_viewed(never))


def test_a_model_that_guesses_has_nothing_to_keep(written):
    guessing = {"clean": draw_right(0.25, seed=7), "patch_shuffle:2": draw_right(0.3, seed=8)}
    views = {view: {"A": RIGHT[view]["A"], "C": guessing[view]} for view in guessing}
    tables = levels(make_viewed(views)).tables
    assert set(tables["levels_kept"]["model"]) == {"A"}
    assert set(tables["levels"]["model"]) == {"A", "C"}


def test_a_headline_claims_no_more_than_the_test():
    shares = {"clean": (0.9, 0.9), "edges": (0.5, 0.51)}
    views = {
        view: {model: draw_right(share, seed=place) for place, (model, share) in enumerate(zip("AB", own, strict=True))}
        for view, own in shares.items()
    }
    assert levels(make_viewed(views)).headline.startswith("Without texture no test tells who keeps most; ")


def test_not_asked_for():
    with pytest.raises(NotMeasurable, match="add --view levels"):
        levels(make_viewed({"clean": RIGHT["clean"]}))
