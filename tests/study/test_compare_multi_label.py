"""A study of images with several classes, from a table to the page."""

from __future__ import annotations

import csv
import io
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

import visavis
from visavis import compare
from visavis.data.read import read_dataset
from visavis.errors import UsageError
from visavis.study.chapters.multi_label import _headline
from visavis.study.study import load_study

MODELS = ["RN-mini.emoji", "resnet-mini.emoji", "ViT-mini-8.emoji"]
READERS = ("RN-mini.emoji", "ViT-mini-8.emoji")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two emoji side by side on four backgrounds, their names the classes; one emoji is too rare for a mean, and one
    picture shows none.
    """
    folder = tmp_path_factory.mktemp("several")
    samples = [sample for sample in read_dataset("emoji").samples if sample.part == "test"][:5]
    pictures = [Image.open(io.BytesIO(sample.read_bytes())).convert("RGBA").resize((32, 32)) for sample in samples]
    with (folder / "several.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "labels"))
        pairs = [*combinations(range(4), 2), (0, 4)]
        for number, (shade, both) in enumerate(product((255, 220, 190, 160), pairs)):
            canvas = Image.new("RGB", (64, 32), (shade, shade, 255))
            for place, one in enumerate(both):
                canvas.paste(pictures[one], (32 * place, 0), pictures[one])
            canvas.save(folder / f"{number}.png")
            writer.writerow((f"{number}.png", "; ".join(str(samples[one].label) for one in both)))
        Image.new("RGB", (32, 32), "red").save(folder / "none.png")
        writer.writerow(("none.png", ""))
    return folder / "several.csv"


@pytest.fixture(scope="module")
def study(table):
    return compare(MODELS, table, table.parent / "out")


def test_map_is_scikit_learns(study, table):
    samples = read_dataset(table).samples
    classes = sorted({name for sample in samples for name in sample.labels})
    right = np.array([[name in sample.labels for name in classes] for sample in samples])
    often = right.sum(axis=0) >= 10
    assert sorted(right.sum(axis=0)) == [4, 12, 12, 12, 16]
    for name in READERS:
        encoder = visavis.load(name)
        images = encoder.encode_images([sample.read_bytes() for sample in samples], normalize=True)
        scores = images @ encoder.zero_shot_classifier(classes).T
        row = study.chapters["multi_label"].set_index("model").loc[name]
        assert row["value"] == pytest.approx(
            average_precision_score(right[:, often], scores[:, often], average="macro"), abs=1e-6
        )
        assert (row["n"], row["classes"]) == (29, 4)
        assert row["low"] <= row["value"] <= row["high"]
        assert row["low"] < row["high"]


def test_the_pair_is_the_difference(study):
    values = study.chapters["multi_label"].set_index("model")["value"]
    (pair,) = study.chapters["multi_label_pairs"].itertuples(index=False)
    assert pair.difference == pytest.approx(values[pair.model_a] - values[pair.model_b])
    assert pair.low <= pair.difference <= pair.high
    assert pair.difference > 0  # the better model stands first


@pytest.mark.parametrize(
    ("low", "said"),
    [(-0.01, ", not shown to differ from that with B"), (0.01, ", 4.0 points [1.0, 9.0] more than with B")],
)
def test_a_lead_is_told_where_the_interval_leaves_out_none(low, said):
    table = pd.DataFrame(
        [("A", 0.6, 0.5, 0.7, 4), ("B", 0.56, 0.5, 0.6, 4)], columns=["model", "value", "low", "high", "classes"]
    )
    pairs = pd.DataFrame([("A", "B", 0.04, low, 0.09)], columns=["model_a", "model_b", "difference", "low", "high"])
    assert _headline(table, pairs).endswith(said)
    assert _headline(table, pairs[:0]) == "With A the mAP over 4 classes is 60.0% [50.0, 70.0]"


def test_images_with_classes_are_asked_for_one(study):
    rows = study.results[study.results["metric"] == "accuracy"]
    assert set(rows["measure"]) == {"any_label"}
    assert set(rows["model"]) == set(READERS)
    assert set(rows["n"]) == {28}  # not the picture without a class


def test_a_right_answer_is_any_class_of_the_image(study, table):
    samples = {sample.id: sample for sample in read_dataset(table).samples}
    for row in study.predictions.itertuples():
        assert row.label == samples[row.sample].labels[0]
        assert (row.predicted in samples[row.sample].labels) == (row.predicted == row.label) == (row.rank == 1)


def test_it_is_said_saved_and_drawn(study, table):
    assert "at naming one of several classes" in study.verdict
    assert "resnet-mini.emoji has no text tower, so no class is known to it by its name." in study.verdict
    page = table.parent / "out" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "Several classes" in text
    assert "Class by class" in text
    again = load_study(page.parent)
    assert again.protocol["data"]["split"] == (
        "Nothing is learnt from images: 29 images with any number of classes for testing."
    )
    assert again.report(page.parent / "again.html").read_text(encoding="utf-8") == text


def test_one_class_or_none(tmp_path, table):
    image = table.parent / "0.png"
    for labels, said in (("cat", "have only the class 'cat'"), ("", "have no class")):
        (tmp_path / "a.csv").write_text(f"path,labels\n{image},{labels}\n")
        with pytest.raises(UsageError, match=f"{said}; two classes are needed"):
            compare(MODELS, tmp_path / "a.csv")


def test_models_that_read_no_texts(table):
    with pytest.raises(UsageError, match="has no text tower, so that it knows no classes by their names"):
        compare(["resnet-mini.emoji"], table)


def test_classes_that_are_too_rare(tmp_path, table):
    lines = table.read_text().splitlines()
    (tmp_path / "few.csv").write_text("path,labels\n" + "\n".join(f"{table.parent}/{line}" for line in lines[1:8]))
    written = compare(READERS, tmp_path / "few.csv").protocol["chapters"]["multi_label"]
    assert written["missing"] == "None of the classes has 10 test images, with fewer of which mAP is chance."
