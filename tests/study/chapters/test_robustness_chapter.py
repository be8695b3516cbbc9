"""The chapter on corruptions: its tables again from the right answers, paired tests by SciPy, its words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_views import draw_right, make_viewed
from scipy import stats

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.robustness import robustness

VIEWS = {"clean": (0.9, 0.8), "fog:1": (0.7, 0.7), "fog:3": (0.5, 0.6), "snow:3": (0.8, 0.2), "snow:1": (0.8, 0.4)}
RIGHT = {
    view: {model: draw_right(share, seed=place) for place, (model, share) in enumerate(zip("AB", shares, strict=True))}
    for view, shares in VIEWS.items()
}


@pytest.fixture(scope="module")
def written():
    return robustness(make_viewed(RIGHT))


def of(view, model):
    return RIGHT[view][model].mean()


def test_every_corruption_and_severity(written):
    table = written.tables["robustness"].set_index(["corruption", "severity", "model"])
    assert len(table) == 8
    for (corruption, severity, model), row in table.iterrows():
        assert row["value"] == pytest.approx(of(f"{corruption}:{severity}", model))
        assert row["low"] < row["value"] < row["high"]


def test_the_curve_over_severities(written):
    table = written.tables["robustness_severity"].set_index(["severity", "model"])["value"]
    for model in "AB":
        assert table[0, model] == pytest.approx(of("clean", model))
        assert table[3, model] == pytest.approx((of("fog:3", model) + of("snow:3", model)) / 2)


def test_errors_and_shares_of_the_first_models(written):
    table = written.tables["corruption_error"].set_index(["metric", "corruption", "model"])
    errors = {model: {kind: 1 - (of(f"{kind}:1", model) + of(f"{kind}:3", model)) / 2 for kind in ("fog", "snow")}
              for model in "AB"}  # fmt: skip
    for model in "AB":
        for kind in ("fog", "snow"):
            assert table.loc[("error", kind, model), "value"] == pytest.approx(errors[model][kind])
        ratios = [errors[model][kind] / errors["A"][kind] for kind in ("fog", "snow")]
        assert table.loc[("ce", "mean", model), "value"] == pytest.approx(np.mean(ratios))
        mean = np.mean(list(errors[model].values())) - (1 - of("clean", model))
        assert table.loc[("increase", "mean", model), "value"] == pytest.approx(mean)
    row = table.loc[("ce", "mean", "B")]
    assert row["low"] < row["value"] < row["high"]
    assert tuple(table.loc[("ce", "mean", "A"), ["value", "low", "high"]]) == (1, 1, 1)


def test_the_pair_is_tested_on_each_images_share(written):
    row = written.tables["robustness_pairs"].iloc[0]
    shares = {model: np.mean([RIGHT[view][model] for view in VIEWS if view != "clean"], axis=0) for model in "AB"}
    assert (row["model_a"], row["model_b"]) == ("A", "B")
    assert row["difference"] == pytest.approx((shares["A"] - shares["B"]).mean())
    assert row["p_value"] == pytest.approx(stats.ttest_rel(shares["A"], shares["B"]).pvalue, rel=1e-6)


def test_what_is_said(written):
    assert written.headline.startswith("Under 2 corruptions, A is wrong least often, on ")
    assert len(written.says) == 1
    assert written.says[0].startswith("On corrupted images A is best: it has ")


def test_models_that_are_alike_are_not_told_apart():
    alike = {view: {"A": draw_right(0.5, seed=1), "B": draw_right(0.5, seed=2)} for view in ("clean", "fog:3")}
    chapter = robustness(make_viewed(alike))
    assert chapter.says == ()
    assert "does not separate" in chapter.headline


def test_severities_that_not_all_have_are_no_point_of_the_curve():
    ragged = {view: own for view, own in RIGHT.items() if view != "snow:1"}
    assert set(robustness(make_viewed(ragged)).tables["robustness_severity"]["severity"]) == {0, 3}


def test_one_model_has_no_pair():
    alone = {view: {"A": own["A"]} for view, own in RIGHT.items()}
    chapter = robustness(make_viewed(alone))
    assert chapter.tables["robustness_pairs"].empty
    assert chapter.says == ()


@pytest.mark.parametrize(
    ("views", "said"),
    [(("clean",), "only when asked for: add --view corruptions:3"), (("fog:3",), "name the view clean")],
)
def test_views_that_are_missing(views, said):
    material = make_viewed(RIGHT)
    kept = tuple(view for view in material.plan.views if view.name in views)
    with pytest.raises(NotMeasurable, match=said):
        robustness(replace(material, plan=replace(material.plan, views=kept)))
