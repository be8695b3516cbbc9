"""A study of images of which nothing is known, from a folder to the page."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import visavis
from visavis import compare
from visavis.bulk.classify import read_labels
from visavis.data.read import read_dataset
from visavis.data.views import parse_view
from visavis.engine.pictures import read_picture
from visavis.errors import UsageError
from visavis.evaluate.scores import unit_rows
from visavis.study.chapters.write import LACKS
from visavis.study.found_again import CHANGES, MIXED
from visavis.study.study import load_study

MODELS = ["RN-mini.emoji", "resnet-mini.emoji", "ViT-mini-8.emoji"]
READERS = ["RN-mini.emoji", "ViT-mini-8.emoji"]
VIEWS = ["mirror", "rotate:45", "gaussian_noise:3"]
GIVEN = ["face", "animal", "<b>food</b>"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty emoji and a copy of the first, without a word about any."""
    folder = tmp_path_factory.mktemp("bare")
    for number, sample in enumerate([sample for sample in read_dataset("emoji").samples if sample.part == "test"][:40]):
        (folder / f"{number}.webp").write_bytes(sample.read_bytes())
    shutil.copy(folder / "0.webp", folder / "copy.webp")
    return folder


@pytest.fixture(scope="module")
def study(folder, tmp_path_factory):
    return compare(MODELS, folder, tmp_path_factory.mktemp("study"), views=VIEWS, classes=GIVEN)


def test_each_changed_image_is_looked_for_among_all(study, folder):
    samples = read_dataset(folder).samples
    encoder = visavis.load("ViT-mini-8.emoji")
    pictures = [read_picture(sample) for sample in samples]
    turned = unit_rows(encoder.encode_images([parse_view("mirror").apply(picture) for picture in pictures]))
    cosines = turned @ unit_rows(encoder.encode_images(pictures)).T
    same = np.array([[one.read_bytes() == other.read_bytes() for one in samples] for other in samples])
    found = np.where(same, cosines, -1).max(axis=1) > np.where(same, -1, cosines).max(axis=1)
    rows = study.results[(study.results["view"] == "mirror") & (study.results["metric"] == "accuracy")]
    assert rows.set_index("model").loc["ViT-mini-8.emoji", "value"] == pytest.approx(np.mean(found))
    assert set(rows["n"]) == {41}
    assert set(rows["measure"]) == {"found_again"}


def test_the_mixed_view_draws_one_change_for_each_image_and_the_same_for_all_models(study):
    rows = study.predictions.set_index(["model", "view", "sample"]).sort_index()
    assert list(dict.fromkeys(study.predictions["view"])) == [MIXED, *VIEWS]
    fits = []
    for model in MODELS:
        mixed = rows.loc[(model, MIXED)]
        fits.append([(rows.loc[(model, view)].loc[mixed.index, "rank"] == mixed["rank"]).to_numpy() for view in VIEWS])
    assert np.all(fits, axis=0).any(axis=0).all()  # one view explains an image's rank for every model
    assert len({view for views in np.all(fits, axis=0).T for view in np.flatnonzero(views)}) == len(VIEWS)


def test_what_models_call_the_images_and_where_they_differ(study, folder):
    table = study.chapters["given_classes"]
    assert set(table["model"]) == set(READERS)
    assert len(table) == 2 * 41
    by_image = table.pivot(index="sample", columns="model", values="predicted")
    differ = by_image[READERS[0]] != by_image[READERS[1]]
    assert study.chapters["given_classes_pairs"]["value"].tolist() == [pytest.approx(differ.mean())]
    assert set(table.loc[table["disputed"], "sample"]) == set(by_image.index[differ])
    assert table["disputed"].is_monotonic_decreasing
    shares = study.chapters["given_classes_shares"]
    assert shares.groupby("model")["value"].sum().tolist() == pytest.approx([1, 1])
    encoder = visavis.load(READERS[0])
    own = table[(table["model"] == READERS[0])].set_index("name")["predicted"]
    classifier = encoder.zero_shot_classifier(GIVEN)
    for name in ("3.webp", "17.webp"):
        vector = encoder.encode_images([read_picture(next(s for s in read_dataset(folder).samples if s.name == name))])
        assert own[name] == GIVEN[int((vector @ classifier.T).argmax())]


def test_neighbours_and_maps(study):
    pairs = study.chapters["neighbours"]
    assert len(pairs) == 3
    assert (pairs["value"] > pairs["chance"]).all()
    assert pairs["chance"].unique().tolist() == [10 / 40]
    assert study.chapters["clusters"].groupby("model")["images"].sum().tolist() == [41, 41, 41]
    assert study.chapters["maps"]["label"].str.fullmatch(r"cluster \d of RN-mini.emoji").all()


def test_the_verdict_claims_no_accuracy(study):
    assert "Without labels nothing tells which model would name or sort these images right" in study.verdict
    assert "neither can be right more often by more than that" in study.verdict
    assert "Use " not in study.verdict.partition("\n")[0]
    assert "zero-shot is empty" not in study.verdict


def test_it_is_saved_and_drawn(study, tmp_path):
    study.save(tmp_path / "saved")
    page = (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert "Found again after a change" in page
    assert "Clusters of ViT-mini-8.emoji" in page
    assert "A colour is a cluster of the first model" in page
    assert "There is no labelled image to count." in page
    assert "&lt;b&gt;food" in page
    assert "<b>food" not in page
    assert load_study(tmp_path / "saved").report(tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_the_command_asks_names_of_a_file_and_says_how_to_repeat_it(folder, tmp_path):
    (tmp_path / "names.txt").write_text("face, smiling\nanimal\n")
    command = [Path(sys.executable).with_name("visavis"), "compare", READERS[0], "--data", folder]
    command += ["--out", tmp_path / "out", "--classes-file", tmp_path / "names.txt"]
    command += ["--view", "mirror", "--measures", "found_again,given_classes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "RN-mini.emoji finds" in done.stdout
    saved = load_study(tmp_path / "out")
    again = shlex.split(saved.protocol["command"])
    assert read_labels(again[again.index("--classes") + 1], None) == ["face, smiling", "animal"]
    assert set(saved.results.loc[saved.results["metric"] == "accuracy", "view"]) == {"mirror"}
    assert set(pd.read_csv(tmp_path / "out" / "tables" / "given_classes.csv")["predicted"]) <= {
        "face, smiling",
        "animal",
    }


def test_the_usual_changes_are_taken_where_none_is_named(folder):
    study = compare(MODELS[2:], folder, measures=["found_again", "why"], effort="quick")
    assert list(dict.fromkeys(study.predictions["view"])) == [MIXED, *CHANGES]
    assert study.protocol["chapters"] == {"why": {"missing": LACKS["nothing"]}}


def test_what_such_images_cannot_be_asked(folder, tmp_path):
    for arguments, words in (
        ({"exclude": ["duplicates"]}, "--exclude compares with classes"),
        ({"measures": ["knn"]}, "neither labels nor captions, which is what found_again is for"),
        ({"classes": ["one"]}, "is no choice"),
        ({"classes": ["one", "one"]}, "class is named twice"),
    ):
        with pytest.raises(UsageError, match=words):
            compare(MODELS[:1], folder, **arguments)
    with pytest.raises(UsageError, match="--classes names what images without labels may show"):
        compare(MODELS[:1], "emoji", classes=GIVEN)
    for name in ("0.webp", "copy.webp", "1.webp"):
        shutil.copy(folder / name, tmp_path / name)
    with pytest.raises(UsageError, match=r"None of the 3 images .* has a label.* 2 different ones are too few"):
        compare(MODELS[:1], tmp_path)
