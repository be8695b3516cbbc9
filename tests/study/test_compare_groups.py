"""A whole comparison of grouped images: nothing is parted, intervals count groups, the page says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

import visavis
from visavis.data.read import read_dataset
from visavis.errors import UsageError


@pytest.fixture(scope="module")
def grouped(models, photos, tmp_path_factory):
    """Eight pictures of each of six classes in pairs, and the same pictures as if each stood alone."""

    def in_pairs(*args, **settings):
        read = read_dataset(*args, **settings)
        samples = tuple(replace(sample, group=f"pair {number // 2}") for number, sample in enumerate(read.samples))
        return replace(read, samples=samples)

    out = tmp_path_factory.mktemp("grouped") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("visavis.study.compare.read_dataset", in_pairs)
        study = visavis.compare(
            [models.resnet, models.clip_vit], photos, out, measures=["knn", "agreement", "ranking", "selective"]
        )
    return study, out


def test_predictions_know_their_groups_and_no_group_is_parted(grouped):
    study, _ = grouped
    sizes = study.predictions.query("model == @study.predictions['model'].iloc[0]")["group"].value_counts()
    assert (sizes == 2).all()  # the other half of a pair would be in the training part
    assert study.protocol["data"]["groups"] == len(sizes) == study.protocol["data"]["n_test"] / 2
    assert "Groups are never parted." in study.protocol["data"]["split"]


def test_the_pair_counts_groups(grouped):
    study, _ = grouped
    pair = study.pairs.iloc[0]
    assert pair["design_effect"] >= 1
    assert set(study.chapters) >= {"agreement", "ranking", "selective"}


def test_the_page_says_images_in_groups(grouped):
    study, out = grouped
    page = (out / "report.html").read_text("utf-8")
    n = study.protocol["data"]["n_test"]
    assert f"{n}, in {n // 2} groups" in page
    assert "bootstrap over whole groups of images" in page
    assert "flips the signs of whole groups" in page


@pytest.mark.parametrize("margin", [0, 1, -0.02, 2])
def test_a_margin_out_of_range(models, photos, margin):
    with pytest.raises(UsageError, match="margin must lie between 0 and 1"):
        visavis.compare([models.resnet], photos, margin=margin)
