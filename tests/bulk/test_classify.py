from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import visavis
from visavis.bulk.classify import classify, read_labels
from visavis.errors import UsageError


@pytest.fixture
def images(photos) -> list[str]:
    return [str(path) for path in sorted((photos / "plain").glob("*.png"))[:3]]


def test_zero_shot_is_that_of_the_encoder(models, images):
    encoder = visavis.load(models.clip_vit)
    labels, templates = ["cat", "red car", "fox"], ["a {}", "one {} more"]
    found = classify(encoder, images, labels, templates).table
    expected = encoder.classify(images, labels, templates)
    assert found["image"].tolist() == expected["image"].tolist()
    assert found["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(found["probability"], expected["probability"], atol=1e-5)
    assert found["rank"].tolist() == [1, 2, 3] * 3
    assert found["answer"].tolist() == np.repeat(expected["label"][::3], 3).tolist()


def test_a_supervised_model_has_labels_of_its_own(models, images):
    encoder = visavis.load(models.resnet)
    found = classify(encoder, images, top=100).table
    assert len(found) == 3 * len(encoder.class_names)
    assert set(found["label"]) == set(encoder.class_names)
    np.testing.assert_allclose(found.groupby("image")["probability"].sum(), 1, atol=1e-5)
    weight, bias = encoder.head
    logits = encoder.encode_images(images) @ weight.T + bias
    assert found[found["rank"] == 1]["label"].tolist() == [encoder.class_names[n] for n in logits.argmax(axis=1)]
    fewer = classify(encoder, images, ["PLAIN", "one more"]).table  # case does not matter
    np.testing.assert_allclose(fewer.groupby("image")["probability"].sum(), 1, atol=1e-5)


def test_other_where_the_likeliest_is_not_likely(models, images):
    encoder = visavis.load(models.clip_vit)
    surest = classify(encoder, images, ["cat", "dog"]).table
    surest = surest[surest["rank"] == 1]["probability"]
    threshold = float(surest.median())
    found = classify(encoder, images, ["cat", "dog"], other=threshold).table
    answers = found[found["rank"] == 1]["answer"]
    assert [answer == "other" for answer in answers] == [value < threshold for value in surest]
    assert set(classify(encoder, images, ["cat", "dog"], other=1.0).table["answer"]) == {"other"}


def test_labels_from_text_and_file(tmp_path):
    (tmp_path / "l.txt").write_bytes("\ufefffox\r\n\n red car \n".encode())
    assert read_labels(" cat,, dog ", tmp_path / "l.txt") == ["cat", "dog", "fox", "red car"]
    assert read_labels(None, None) is None
    assert read_labels('"spray, for hair", cat\ndog', None) == ["spray, for hair", "cat", "dog"]
    for text, file, said in (
        (" , ", None, "No label was given"),
        ("cat,fox,cat", None, "'cat' stands twice"),
        (None, tmp_path / "none.txt", "Cannot read labels"),
        (None, tmp_path, "Cannot read labels"),
    ):
        with pytest.raises(UsageError, match=said):
            read_labels(text, file)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match="in UTF-8"):
        read_labels(None, tmp_path / "latin.txt")


def test_the_command_as_a_process(visavis, models, messy, tmp_path):
    good, bad = messy / "plain" / "<script>alert(2)<script>.png", messy / "plain" / "zero.png"
    called = visavis(
        "classify", models.clip_vit, good, bad, tmp_path / "no.png",
        "--labels", "cat,<b>dog</b>", "--template", "{}", "--other", 0.01,
    )  # fmt: skip
    assert called.code == 0, called.err
    assert "<b>dog</b>" in called.out
    assert called.err.splitlines() == [
        f"skipped {str(bad)!r}: empty: 0 bytes",
        f"skipped '{tmp_path / 'no.png'}': no such file",
    ]


def test_results_as_files(command, models, images, tmp_path):
    for name in ("f.csv", "f.json"):
        arguments = ["classify", models.vit, *images, "--top", 2, "--out", tmp_path / name]
        called = command(*arguments)
        assert (called.code, called.out) == (0, f"{tmp_path / name}\n"), called.err
    table = pd.read_csv(tmp_path / "f.csv")
    assert list(table) == ["image", "answer", "rank", "label", "probability"]
    assert table["rank"].tolist() == [1, 2] * 3
    said = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert said["model"] == models.vit
    assert [row["label"] for row in said["rows"]] == table["label"].tolist()


def test_wrong_calls(command, models, images, tmp_path):
    for arguments, said in {
        (models.clip_vit, *images): "say which: --labels cat,dog",
        (models.clip_vit, "--labels", "a,b"): "No image was named",
        (models.clip_vit, *images, "--labels", "a,b", "--other", "1.5"): "above 0, up to 1, not 1.5",
        (models.clip_vit, *images, "--labels", "a,b", "--other", "nan"): "not nan",
        (models.clip_vit, *images, "--labels", "a,b", "--template", "a photo"): "no {} where",
        (models.resnet, *images, "--labels", "plane,one more"): "Did you mean plain",
        (models.resnet, *images, "--template", "a {}"): "reads no prompts",
        (models.resnet, *images, "--top", 0): "at least 1",
        (models.resnet, *images, "--out", "f.html"): "'f.html' ends otherwise",
    }.items():
        assert said in command("classify", *arguments).failed(2)
    message = command("classify", models.resnet, tmp_path, tmp_path / "none.png").failed(1)
    assert "None of the 2 images can be read" in message
    assert "is a folder" in message
