"""A study of images with captions and no labels, from a table to the page."""

from __future__ import annotations

import csv

import pytest

from visavis import compare
from visavis.data.read import read_dataset
from visavis.errors import UsageError
from visavis.study.chapters.write import LACKS
from visavis.study.study import load_study

MODELS = ["RN-mini.emoji", "resnet-mini.emoji", "ViT-mini-8.emoji"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    samples = [sample for sample in read_dataset("emoji").samples if sample.part == "test"][:40]
    with (folder / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "caption"))
        for sample in samples:
            (folder / f"{sample.id}.webp").write_bytes(sample.read_bytes())
            writer.writerows((f"{sample.id}.webp", caption) for caption in sample.captions)
    return folder / "captions.csv"


@pytest.fixture(scope="module")
def study(table):
    return compare(MODELS, table, table.parent / "out")


def test_all_images_are_asked_for_their_captions(study):
    rows = study.results[study.results["metric"] == "accuracy"]
    assert set(rows["measure"]) == {"image_to_text"}
    assert set(rows["model"]) == {"RN-mini.emoji", "ViT-mini-8.emoji"}
    assert set(rows["n"]) == {40}
    assert rows["value"].min() > 0.2  # chance is 1 in 40
    assert len(study.pairs) == 1
    assert set(study.results.loc[study.results["measure"] == "image_to_text", "metric"]) == {"accuracy", "accuracy@5"}


def test_recall_at_one_is_that_accuracy(study):
    search = study.chapters["retrieval"]
    found = search[(search["direction"] == "image_to_text") & (search["metric"] == "recall@1")].set_index("model")
    rows = study.results[study.results["metric"] == "accuracy"].set_index("model")
    for name in ("RN-mini.emoji", "ViT-mini-8.emoji"):
        assert found.loc[name, "value"] == rows.loc[name, "value"]
    texts = search[search["direction"] == "text_to_image"]
    assert set(texts["n"]) == {120}
    assert set(texts["gallery"]) == {40}


def test_the_verdict_speaks_of_captions(study):
    assert "at finding captions" in study.verdict
    assert "resnet-mini.emoji has no text tower, so no text finds an image with it." in study.verdict
    assert "To search, with " in study.verdict
    assert "zero-shot" not in study.verdict


def test_it_is_saved_and_drawn(study, table):
    page = table.parent / "out" / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "Finding the caption" in text
    assert "Texts that find their image" in text
    assert "The images have no labels" not in text
    assert "There is no labelled image to count." in text  # captions are no classes
    again = load_study(page.parent)
    assert again.protocol["data"]["split"].startswith("Nothing is learnt from images: 40 images with captions")
    assert again.report(page.parent / "again.html").read_text(encoding="utf-8") == text


def test_what_needs_labels_says_so(table):
    for option in ("exclude", "others"):
        given = ["duplicates"] if option == "exclude" else table
        with pytest.raises(UsageError, match=f"--{option} compares with classes"):
            compare(MODELS, table, **{option: given})
    with pytest.raises(UsageError, match="captions and no labels, which is what image_to_text is for"):
        compare(MODELS, table, measures=["zero_shot"])


def test_a_quick_look_of_named_parts_and_one_class(tmp_path, table):
    """A class of all images tells nothing, so that captions are what is asked; what trains is not looked at."""
    with table.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    lines = [
        f'{table.parent / path},"{caption}",emoji,{"train" if number // 3 % 4 else "test"}'
        for number, (path, caption) in enumerate(rows)
    ]
    (tmp_path / "one.csv").write_text("path,caption,label,part\n" + "\n".join(lines))
    study = compare(MODELS[:1], tmp_path / "one.csv", effort="quick")
    assert set(study.results.loc[study.results["metric"] == "accuracy", "n"]) == {10}
    assert study.protocol["data"]["split"] == (
        "Nothing is learnt from images: 10 images with captions for testing, as the data itself says."
    )
    named = compare(MODELS[:1], tmp_path / "one.csv", measures=["image_to_text", "quality"])
    assert named.protocol["chapters"] == {"quality": {"missing": LACKS["captions"]}}


def test_corruptions_are_told_of_captions_too(table):
    study = compare(MODELS[:2], table, views=["clean", "fog:3"], measures=["image_to_text", "robustness"])
    errors = study.chapters["corruption_error"]
    assert set(errors["measure"]) == {"image_to_text"}
    assert set(errors["model"]) == {"RN-mini.emoji"}


def test_captions_of_labelled_images_are_a_chapter(tmp_path, table):
    with table.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    lines = [f"{table.parent / path},{'ab'[number // 3 % 2]},{caption}" for number, (path, caption) in enumerate(rows)]
    (tmp_path / "both.csv").write_text("path,label,caption\n" + "\n".join(lines))
    study = compare(MODELS[:1], tmp_path / "both.csv", measures=["zero_shot", "retrieval"])
    assert set(study.results["measure"]) == {"zero_shot", "cost"}
    assert set(study.chapters["retrieval"]["direction"]) == {"text_to_image", "image_to_text", "image_to_image"}
    with pytest.raises(UsageError, match="in the chapter retrieval alone"):
        compare(MODELS[:1], tmp_path / "both.csv", measures=["image_to_text"])


@pytest.mark.parametrize("effort", ["usual", "quick"])
def test_captions_that_are_cut_are_counted_on_the_page(table, tmp_path, effort):
    lines = [line.split(",", 1)[0] for line in table.read_text(encoding="utf-8").splitlines()[1::9]]
    texts = [f"{'a very ' * (200 if number == 1 else 0)}small picture {number}" for number in range(len(lines))]
    rows = [f"{table.parent / name},{text}" for name, text in zip(lines, texts, strict=True)]
    (tmp_path / "long.csv").write_text("path,caption\n" + "\n".join(rows), encoding="utf-8")
    study = compare(MODELS[:2], tmp_path / "long.csv", tmp_path / "out", effort=effort)
    cut = study.protocol["measures"]["image_to_text"]["chosen"]["RN-mini.emoji"]["captions"]
    assert cut.startswith(f"1 of {len(lines)} texts are longer than")
    assert "retrieval" in study.chapters
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"1 of {len(lines)} texts are longer than" in text


def test_prompts_that_are_cut_are_counted_beside_the_templates(tmp_path):
    samples = [sample for sample in read_dataset("emoji").samples if sample.part == "test"][:4]
    for number, sample in enumerate(samples):
        folder = tmp_path / "images" / "test" / ("very " * 40 + "long name" if number == 0 else f"name {number}")
        folder.mkdir(parents=True)
        (folder / "1.webp").write_bytes(sample.read_bytes())
    template = f"{'a ' * 60}{{}}"
    study = compare(MODELS[:1], tmp_path / "images", templates=[template], measures=["zero_shot"])
    said = study.protocol["measures"]["zero_shot"]
    assert said["templates"] == [template]
    assert "texts are longer than" in said["chosen"]["RN-mini.emoji"]["prompts"]
