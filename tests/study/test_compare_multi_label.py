"""A study of images with several classes, from a table to the page."""

from __future__ import annotations

import csv
import io
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

import visavis
from visavis import compare
from visavis.data.read import read_dataset
from visavis.data.splits import halves
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
        rows = study.chapters["multi_label"].set_index(["measure", "model"]).sort_index()
        row = rows.loc[("any_label", name)]
        assert row["value"] == pytest.approx(
            average_precision_score(right[:, often], scores[:, often], average="macro"), abs=1e-6
        )
        assert (row["n"], row["classes"]) == (29, 4)
        assert row["low"] <= row["value"] <= row["high"]
        assert row["low"] < row["high"]


def test_the_pair_is_the_difference(study):
    values = study.chapters["multi_label"].set_index(["measure", "model"])["value"]
    pairs = study.chapters["multi_label_pairs"]
    assert pairs["measure"].value_counts().to_dict() == {"any_label": 1, "any_label_probe": 3}
    for pair in pairs.itertuples(index=False):
        difference = values[(pair.measure, pair.model_a)] - values[(pair.measure, pair.model_b)]
        assert pair.difference == pytest.approx(difference)
        assert pair.low <= pair.difference <= pair.high
        assert pair.difference >= 0  # the better model stands first
        assert pair.p_value <= pair.p_adjusted <= 1
    assert pairs.loc[pairs["measure"] == "any_label", "p_adjusted"].equals(
        pairs.loc[pairs["measure"] == "any_label", "p_value"]  # a test alone needs no adjusting
    )


@pytest.mark.parametrize(
    ("p_value", "said"),
    [
        (0.06, ", not shown to differ from that with B (adjusted p = 0.06)"),
        (0.04, ", 4.0 points [1.0, 9.0] more than with B (adjusted p = 0.04)"),
    ],
)
def test_a_lead_is_told_where_a_test_finds_it(p_value, said):
    table = pd.DataFrame(
        [("any_label", "A", 0.6, 0.5, 0.7, 4), ("any_label", "B", 0.56, 0.5, 0.6, 4)],
        columns=["measure", "model", "value", "low", "high", "classes"],
    )
    pairs = pd.DataFrame(
        [("any_label", "A", "B", 0.04, 0.01, 0.09, p_value)],
        columns=["measure", "model_a", "model_b", "difference", "low", "high", "p_adjusted"],
    )
    assert _headline(table, pairs).endswith(said)
    alone = "With A the mAP over 4 classes is 60.0% [50.0, 70.0] by the classes’ names"
    assert _headline(table, pairs[:0]) == alone
    probed = pd.concat([table, table.assign(measure="any_label_probe"), table.assign(measure="any_label_probe")])
    assert _headline(probed, pairs[:0]).endswith("by linear probes")  # that more models were asked


def test_images_with_classes_are_asked_for_one(study):
    rows = study.results[study.results["metric"] == "accuracy"]
    assert set(rows["measure"]) == {"any_label", "any_label_probe"}
    assert set(rows.loc[rows["measure"] == "any_label", "model"]) == set(READERS)
    assert set(rows.loc[rows["measure"] == "any_label_probe", "model"]) == set(MODELS)
    assert set(rows["n"]) == {28}  # not the picture without a class


def test_each_half_is_asked_a_probe_of_the_other(study, table):
    """By scikit-learn, class by class."""
    samples = read_dataset(table).samples
    classes = sorted({name for sample in samples for name in sample.labels})
    right = np.array([[name in sample.labels for name in classes] for sample in samples])
    encoder = visavis.load("resnet-mini.emoji")
    features = encoder.encode_images([sample.read_bytes() for sample in samples])
    first = np.array(halves(samples, 0))
    scores = np.zeros(right.shape)
    for asked in (first, ~first):
        mean, deviation = features[~asked].mean(axis=0), features[~asked].std(axis=0)
        deviation[deviation < 1e-8] = 1
        standard = (features - mean) / deviation
        for column, own in enumerate(right[~asked].T):
            if own.any() and not own.all():
                fitted = LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000).fit(standard[~asked], own)
                scores[asked, column] = fitted.decision_function(standard[asked])
    often = right.sum(axis=0) >= 10
    rows = study.chapters["multi_label"].set_index(["measure", "model"])["value"]
    wanted = average_precision_score(right[:, often], scores[:, often], average="macro")
    assert rows[("any_label_probe", "resnet-mini.emoji")] == pytest.approx(wanted, abs=0.01)  # few images: equal order


def test_named_parts_are_heeded(table, tmp_path):
    with table.open(newline="") as file:
        rows = [*csv.reader(file)][1:]
    lines = [
        f'{table.parent}/{path},"{labels}",{"train" if n % 2 else "test"}' for n, (path, labels) in enumerate(rows)
    ]
    (tmp_path / "parts.csv").write_text("path,labels,part\n" + "\n".join(lines))
    study = compare(["resnet-mini.emoji"], tmp_path / "parts.csv")
    said = (
        "As the data itself says: 14 images for training, 15 images for testing, with any number of classes an image."
    )
    assert study.protocol["data"]["split"] == said
    assert set(study.results.loc[study.results["metric"] == "accuracy", "measure"]) == {"any_label_probe"}
    assert "with a linear probe for each class" in study.verdict


def test_a_right_answer_is_any_class_of_the_image(study, table):
    samples = {sample.id: sample for sample in read_dataset(table).samples}
    for row in study.predictions.itertuples():
        assert row.label == samples[row.sample].labels[0]
        assert (row.predicted in samples[row.sample].labels) == (row.predicted == row.label) == (row.rank == 1)


def test_it_is_said_saved_and_drawn(study, table):
    assert "names a class of" in study.verdict
    assert "resnet-mini.emoji has no text tower, so no class is known to it by its name." in study.verdict
    page = table.parent / "out" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "Several classes" in text
    assert "Class by class" in text
    again = load_study(page.parent)
    assert again.protocol["data"]["split"] == (
        "29 images with any number of classes for testing; probes learn from one half and are asked about the other, "
        "both ways round."
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
        compare(["resnet-mini.emoji"], table, measures=["any_label"])


def test_classes_that_are_too_rare(tmp_path, table):
    lines = table.read_text().splitlines()
    (tmp_path / "few.csv").write_text("path,labels\n" + "\n".join(f"{table.parent}/{line}" for line in lines[1:8]))
    written = compare(READERS, tmp_path / "few.csv").protocol["chapters"]["multi_label"]
    assert written["missing"] == "None of the classes has 10 test images, with fewer of which mAP is chance."
