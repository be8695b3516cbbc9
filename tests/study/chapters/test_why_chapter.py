"""Why models differ: pictures whose brightness decides who is right, and pictures that decide nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from made_material import make_material
from PIL import Image, ImageDraw, ImageFont

from visavis.evaluate.scores import NotMeasurable
from visavis.study.bootstrap import strata_of
from visavis.study.chapters.why import trend_p_value, why

N = 120
TRUTH = np.arange(N) % 3
GREY = np.random.default_rng(1).permutation(np.linspace(20, 235, N).astype(int))


def picture(grey: int, seed: int) -> bytes:
    """Noise about a grey, so that no other trait follows it."""
    pixels = grey + np.random.default_rng(seed).integers(-10, 11, (24, 24, 1))
    stream = io.BytesIO()
    Image.fromarray(np.repeat(pixels.clip(0, 255).astype(np.uint8), 3, axis=2)).save(stream, "PNG")
    return stream.getvalue()


def material_with(right_a, right_b, groups=()):
    def scores(right):
        wrong = (TRUTH + 1) % 3
        return np.eye(3, dtype=np.float32)[np.where(right, TRUTH, wrong)]

    made = make_material({("knn", "A"): scores(right_a), ("knn", "B"): scores(right_b)}, TRUTH, groups=groups)
    samples = tuple(
        replace(sample, data=picture(GREY[place], place)) for place, sample in enumerate(made.plan.dataset.samples)
    )
    return replace(made, plan=replace(made.plan, dataset=replace(made.plan.dataset, samples=samples)))


@pytest.fixture(scope="module")
def written():
    """A is always right, B on bright pictures alone."""
    return why(material_with(np.ones(N, bool), GREY > 127))


def test_the_trait_that_decides_is_found(written):
    table = written.tables["why"].set_index("trait")
    assert table["p_adjusted"].idxmin() == "brightness"
    row = table.loc["brightness"]
    assert row["p_adjusted"] < 1e-6
    assert row["change"] == pytest.approx(-1.0)  # ahead by all in the darkest third, by none in the brightest
    assert row["low"] <= -1.0 <= row["high"] < -0.7
    assert written.headline.startswith("The lead of A over B is 100.0 points")
    assert "in the third with the lowest brightness" in written.says[0]


def test_parts_hold_what_counting_gives(written):
    parts = written.tables["why_parts"].set_index(["trait", "part"])
    order = np.argsort(GREY, kind="stable")
    for place, part in enumerate(("lowest", "middle", "highest")):
        own = order[40 * place : 40 * (place + 1)]
        row = parts.loc[("brightness", part)]
        assert row["n"] == 40
        assert row["b"] == pytest.approx((GREY[own] > 127).mean())
        assert row["difference"] == pytest.approx((GREY[own] <= 127).mean())
    assert parts.loc[("brightness", "lowest"), "p_value"] == pytest.approx(2 / 2**40)
    assert {part for trait, part in parts.index if trait == "class"} == {"class 000", "class 001", "class 002"}


def test_pictures_are_the_ends_of_each_trait(written):
    pictures = written.tables["why_pictures"]
    brightest = pictures[(pictures["trait"] == "brightness") & (pictures["end"] == "highest")]
    assert len(brightest) == 4
    assert brightest["value"].is_monotonic_decreasing
    assert set(pictures["sample"]) == set(written.pictures)
    assert not {"size", "elongation", "colourfulness"} & set(pictures["trait"])  # all pictures share these


def test_chance_is_said_to_be_none():
    random = np.random.default_rng(3)
    found = why(material_with(random.random(N) < 0.7, random.random(N) < 0.6))
    assert found.headline.startswith("None of ")
    assert found.says == ()


def test_models_that_are_right_together_tell_nothing():
    right = np.ones(N, bool)
    almost = right.copy()
    almost[:9] = False
    with pytest.raises(NotMeasurable, match="right alone on 10 images"):
        why(material_with(right, almost))


@pytest.mark.parametrize("size", [1, 5])
def test_a_trend_is_found_by_chance_no_more_often_than_promised(size):
    """Groups of one picture, and of five that share trait and answers; 1,000 studies of 150 images."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(150 // size), size)
    strata = strata_of(np.zeros(150, int), groups if size > 1 else None)
    p_values = []
    for _ in range(1000):
        lead = random.choice([-1, 0, 1], p=[0.15, 0.6, 0.25], size=len(groups) // size)[groups]
        trait = random.normal(size=len(groups) // size)[groups]
        p_values.append(trend_p_value(lead, trait, strata))
    share = (np.array(p_values) < 0.05).mean()
    assert 0.02 < share < 0.07  # 5% and three standard errors of 1,000 studies


def test_text_is_looked_for_where_it_is_asked_for():
    """Of 120 pictures 30 bear a word, and on these B is wrong: two parts, with it and without."""
    written_on = np.arange(N) % 4 == 0
    made = material_with(np.ones(N, bool), ~written_on)
    samples = tuple(
        replace(sample, data=sign("OPEN" if written_on[place] else "", place))
        for place, sample in enumerate(made.plan.dataset.samples)
    )
    plan = replace(made.plan, dataset=replace(made.plan.dataset, samples=samples))
    found = why(replace(made, plan=replace(plan, text=True)))
    row = found.tables["why"].set_index("trait").loc["text"]
    assert row["change"] == pytest.approx(1.0)
    assert row["p_adjusted"] < 1e-6
    parts = found.tables["why_parts"].set_index(["trait", "part"]).loc["text"]
    assert list(parts.index) == ["lowest", "highest"]
    assert list(parts["n"]) == [90, 30]
    assert list(parts["difference"]) == [0.0, 1.0]
    assert list(parts["least"]) == [0.0, 4.0]
    assert "text" not in set(why(replace(made, plan=plan)).tables["why"]["trait"])


def sign(word: str, seed: int) -> bytes:
    picture = Image.new("RGB", (96, 48), (200 + seed % 50, 220, 210))
    ImageDraw.Draw(picture).text((8, 10), word, (10, 20, 30), ImageFont.load_default(24))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
