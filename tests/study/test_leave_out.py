"""Doubtful test images from end to end: found, shown, counted, left out, and said."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

import visavis
from visavis.errors import UsageError

COPIES = 4


@pytest.fixture(scope="module")
def leaky(draw, tmp_path_factory):
    """Two classes whose test part holds copies of training images, in files of another kind."""
    folder = tmp_path_factory.mktemp("leaky")
    for name, colour in {"red": (200, 40, 40), "blue": (40, 40, 200)}.items():
        draw(folder / "train" / name, colour, count=20)
        draw(folder / "test" / name, colour, count=15, seed=1)
        for number in range(COPIES // 2):
            with Image.open(folder / "train" / name / f"{number}.png") as image:
                image.save(folder / "test" / name / f"copy {number}.webp", lossless=True)
    return folder


@pytest.fixture(scope="module")
def whole(models, leaky, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISAVIS_CACHE", str(cache))
        return visavis.compare([models.clip_vit, models.clip_resnet], leaky)


@pytest.fixture(scope="module")
def reduced(models, leaky, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISAVIS_CACHE", str(cache))
        return visavis.compare([models.clip_vit, models.clip_resnet], leaky, exclude=["duplicates"])


def test_copies_are_found_and_shown(whole):
    duplicates = whole.chapters["duplicates"]
    leaks = duplicates[duplicates["relation"] == "leak"]
    names = whole.thumbnails.set_index("sample")["name"]
    assert sorted(names[leaks["sample_b"]]) == sorted(
        f"test/{name}/copy {number}.webp" for name in ("blue", "red") for number in range(COPIES // 2)
    )
    assert (leaks["part_a"] == "train").all()
    assert (leaks["bits"] == 0).all()
    counts = whole.chapters["quality"].set_index("finding")["count"]
    assert counts["leak"] == COPIES
    assert f"Of the test images, {COPIES} have a near-duplicate" in whole.verdict


def test_leaving_them_out_leaves_the_rest_as_it_was(whole, reduced):
    copies = set(whole.predictions["sample"]) - set(reduced.predictions["sample"])
    assert len(copies) == COPIES
    assert reduced.protocol["data"]["n_test"] == whole.protocol["data"]["n_test"] - COPIES
    kept = whole.predictions[~whole.predictions["sample"].isin(copies)].reset_index(drop=True)
    assert kept.equals(reduced.predictions)
    assert f"Of the test images, {COPIES} have a near-duplicate, and all of this leaves them out." in reduced.verdict
    assert "--exclude duplicates" in reduced.protocol["command"]


def test_both_numbers_stand_side_by_side(whole, reduced):
    effect = whole.chapters["quality_effect"].set_index(["left_out", "model"])
    results = reduced.results[(reduced.results["metric"] == "accuracy") & (reduced.results["view"] == "clean")]
    measures = results.groupby("measure")["value"].apply(list)
    without = list(effect.loc["duplicates", "value"])
    assert any(np.allclose(without, values) for values in measures)
    assert (effect.loc["nothing", "n"] - effect.loc["duplicates", "n"] == COPIES).all()
    lead = whole.chapters["quality_lead"].set_index("left_out")
    assert list(lead.index) == ["nothing", "duplicates"]


def test_the_saved_study_draws_both_reports(whole, reduced, tmp_path):
    for name, study in {"whole": whole, "reduced": reduced}.items():
        study.save(tmp_path / name)
        page = (tmp_path / name / "report.html").read_text("utf-8")
        assert page.count('class="twins"') == COPIES
        redrawn = visavis.study.study.load_study(tmp_path / name).report(tmp_path / "again.html")
        assert redrawn.read_text("utf-8") == page


@pytest.mark.parametrize("kinds", [["duplicate"], "duplicates"])
def test_a_kind_that_is_none_is_refused_before_any_work(models, kinds):
    with pytest.raises(UsageError, match="duplicates"):
        visavis.compare([models.clip_vit], "nowhere", exclude=kinds)


def test_a_test_part_of_copies_cannot_be_left_out(models, draw, tmp_path):
    for name, colour in {"red": (200, 40, 40), "blue": (40, 40, 200)}.items():
        draw(tmp_path / "train" / name, colour, count=6)
        shutil.copytree(tmp_path / "train" / name, tmp_path / "test" / name)
    with pytest.raises(UsageError, match="leaves 0 to test on"):
        visavis.compare([models.clip_vit], tmp_path, exclude=["duplicates"])
