"""The published record: its units, its ties, its lines, and the page as a reader uses it."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import bootstrap, linregress

from visavis.atlas.page import analyse, write_atlas
from visavis.atlas.ranking import compare_published, rank
from visavis.atlas.record import (
    BASELINE,
    RECORDED,
    SHIFTS,
    is_imagenet_only,
    metrics_of,
    read_supervised,
    read_zero_shot,
)
from visavis.atlas.robustness import effective_robustness, fit_line
from visavis.errors import UsageError


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    return read_zero_shot()


@pytest.fixture(scope="module")
def supervised() -> pd.DataFrame:
    return read_supervised()


def test_units(clips, supervised):
    resnet, clip = supervised.set_index("model").loc["resnet50.tv_in1k"], clips.set_index("model").loc["RN50.openai"]
    # torchvision's ResNet-50: 25.56 M parameters, 4.1 GMACs; CLIP's RN50: 102 M, 6.1 + 2.98 GMACs with its texts
    assert (resnet["params_m"], resnet["gmacs"]) == (25.56, 4.11)
    assert clip["params_m"] == pytest.approx(102.01, abs=0.01)
    assert clip["gmacs"] == pytest.approx(9.1, abs=0.2)
    for table in (clips, supervised):
        assert table[BASELINE].between(0, 1).all()
        assert table["model"].is_unique
    assert len(metrics_of(clips)) == 38
    assert supervised["params_m"].max() > 1000  # numbers with a thousands separator are numbers too


def test_means_are_the_published_ones(clips):
    raw = pd.read_csv(RECORDED / "open_clip_zero_shot_38.csv.gz")
    published = raw.set_index(raw["name"] + "." + raw["pretrained"])["Average perf. on 38 datasets"]
    found = clips.set_index("model")[metrics_of(clips)].mean(axis=1)
    np.testing.assert_allclose(found, published[found.index], atol=6e-5)  # they print four digits


@pytest.mark.parametrize(("to", "points", "better"), [("ViT-B-16.openai", 8.16, 34), ("ViT-B-32.openai", 4.36, 34)])
def test_published_differences(clips, to, points, better):
    found = compare_published(clips, "RN50.openai", to)
    assert round(100 * found.value, 2) == points
    assert found.better == better
    values = clips.set_index("model")[metrics_of(clips)]
    oracle = bootstrap(
        [(values.loc[to] - values.loc["RN50.openai"]).to_numpy()], np.mean, method="percentile", n_resamples=10_000,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=0.002)
    back = compare_published(clips, to, "RN50.openai")
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_ranking(clips):
    ranking = rank(clips)
    assert ranking["mean"].is_monotonic_decreasing
    assert len(ranking) == 117
    assert (ranking["gap_low"] <= 0).sum() == 108
    assert set(ranking["tie_group"].diff().dropna()) <= {0, 1}
    first = ranking.groupby("tie_group")["model"].first()
    for number, model in list(first.items())[1:6]:  # each group's best is behind the one before it
        assert compare_published(clips, model, first[number - 1]).low > 0


def test_a_model_that_the_record_lacks(clips):
    with pytest.raises(UsageError, match=r"no 'RN50.opnai'. Did you mean RN50.openai"):
        compare_published(clips, "RN50.opnai", "RN50.openai")


def test_line_is_least_squares_between_probits(supervised):
    line = fit_line(supervised, "ImageNet v2")
    only = supervised[supervised["imagenet_only"]]
    oracle = linregress(ndtri(only[BASELINE]), ndtri(only["ImageNet v2"]))
    assert (line.slope, line.intercept, line.n) == pytest.approx((oracle.slope, oracle.intercept, len(only)))
    assert line.draws.mean(axis=1) == pytest.approx([line.slope, line.intercept], abs=0.02)


def test_on_the_line_there_is_none(supervised):
    line = fit_line(supervised, "ImageNet-R")
    accuracy = np.array([0.6, 0.8])
    models = pd.DataFrame({"model": ["a", "b"], BASELINE: accuracy, "ImageNet-R": line.at(accuracy)})
    found = effective_robustness(models, line)
    assert found["effective"].to_numpy() == pytest.approx(0)
    assert ((found["low"] < 0) & (found["high"] > 0)).all()


def test_clips_stand_above_the_line_and_a_resnet_50_on_it(supervised, clips):
    # Radford et al. 2021, figure 13: zero-shot CLIP shrinks the gap under every one of these shifts
    for shift in SHIFTS:
        line = fit_line(supervised, shift)
        openai = clips[clips["model"].isin(["RN50.openai", "ViT-B-32.openai", "ViT-L-14.openai"])]
        assert (effective_robustness(openai, line)["low"] > 0).all()
    resnet = effective_robustness(
        supervised[supervised["model"] == "resnet50.tv_in1k"], fit_line(supervised, "ImageNet v2")
    )
    assert abs(resnet["effective"].item()) < 0.02


def test_what_trained_on_imagenet_alone(supervised):
    only = supervised[supervised["imagenet_only"]]["model"]
    assert {"resnet50.tv_in1k", "resnet50.a1_in1k", "vit_base_patch16_224.augreg_in1k"} <= set(only)
    assert not only.str.contains(r"_ft_|in21k|in22k|clip|laion|jft|ig1b|yfcc").any()
    assert not is_imagenet_only("vit_base_patch32_clip_224.openai_ft_in1k")


def test_by_the_command(visavis, tmp_path):
    called = visavis("atlas", "--out", tmp_path)
    assert called.code == 0, called.err
    page = (tmp_path / "atlas.html").read_text("utf-8")
    record = json.loads(re.search(r'<script type="application/json" id="record">(.*?)</script>', page, re.S)[1])
    assert len(record["models"]) == len(analyse().models)
    assert len(page) < 600_000
    (tmp_path / "file").write_text("")
    assert "Cannot write the atlas" in visavis("atlas", "--out", tmp_path / "file").failed(1)


@pytest.mark.browser
def test_in_the_browser(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(write_atlas(tmp_path).as_uri())
    assert page.locator("#chart .point").count() == page.evaluate("Number(shown.value.split(' ')[0])") > 1300
    page.fill("#search", "rn50.openai")
    assert page.locator("#chart .name").all_text_contents() == ["RN50.openai"]
    page.focus("#chart")
    page.keyboard.press("ArrowRight")
    assert page.locator("#told").inner_text().startswith("RN50.openai: 102.01 M parameters")
    page.fill("#search", "")
    page.select_option("#across", label="ImageNet 1k")
    page.select_option("#up", label="ImageNet-R")
    assert page.locator("#chart .line").count() == 1
    page.uncheck("input[name=training][value='0']")
    models = analyse().models
    left = models[(models["training"] != "ImageNet alone") & (models["ImageNet-R"] > 0) & (models[BASELINE] > 0)]
    assert page.locator("#chart .point").count() == len(left)
    for _ in range(2):  # descending, then ascending
        page.click("#ranking th:has-text('Mean') button")
    means = page.eval_on_selector_all(
        "#ranking tbody td:nth-child(3) .interval > data", "all => all.map(one => +one.value)"
    )
    assert len(means) == 117
    assert means == sorted(means)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not said
    page.close()
