"""`visavis explain` as a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("some <b> pictures") / "<script>alert(3)<script> 🦊.png"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


def test_four_models_their_texts_and_classes_on_one_page(
    visavis: Callable[..., Any], models: Any, picture: Path, tmp_path: Path
) -> None:
    page = tmp_path / "maps.html"
    asked = ("--text", "a <script>alert(4)</script>", "--text", "two dogs", "--class", "0")
    called = visavis("explain", *models, picture, *asked, "--out", page)
    assert called.code == 0, called.err
    assert called.out.splitlines()[-1] == str(page)
    written = page.read_text("utf-8")
    assert written.count('class="veil"') == 2 * 2 + 2  # two texts for each CLIP, one class for the others
    assert "<script" not in written
    assert "&lt;script&gt;alert(4)&lt;/script&gt;" in written
    again = visavis("explain", *models, picture, *asked, "--out", tmp_path / "again.html")
    assert again.code == 0
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_without_a_question_or_a_name_for_the_file(visavis: Callable[..., Any], models: Any, picture: Path) -> None:
    called = visavis("explain", models.vit, models.clip_vit, picture)
    assert called.code == 0, called.err
    assert called.out.splitlines()[-1] == "explanation.png"
    assert "is the model's own prediction" in called.out
    assert "what the image's own embedding is made of" in called.out


@pytest.mark.parametrize("method", ["relevance", "rollout", "occlusion"])
def test_a_method_by_its_name(
    visavis: Callable[..., Any], models: Any, picture: Path, tmp_path: Path, method: str
) -> None:
    called = visavis("explain", models.vit, picture, "--method", method, "--out", tmp_path / "map.png")
    assert called.code == 0, called.err
    with Image.open(tmp_path / "map.png") as sheet:
        assert sheet.size[0] == 2 * (224 + 18) + 18


def test_a_text_longer_than_the_context_is_said(
    visavis: Callable[..., Any], models: Any, picture: Path, tmp_path: Path
) -> None:
    called = visavis("explain", models.clip_vit, picture, "--text", "dog " * 90, "--out", tmp_path / "map.html")
    assert called.code == 0, called.err
    assert "The text fills all 16 tokens" in " ".join(called.out.split())
    assert "The text fills all 16 tokens" in (tmp_path / "map.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{resnet}", "{picture}", "--class", "fox"], "has no class 'fox' among its 7"),
        (["{vit}", "{picture}", "--class", "3"], "Choose from thing 0, thing 1, thing 2."),
        (["{clip_vit}", "{picture}", "--text", " "], "The text to look for is empty"),
        (["{clip_vit}", "{picture}", "--text", ""], "The text to look for is empty"),
        (["{vit}", "{picture}", "--text", "a dog"], "No model here has a text tower"),
        (["{clip_vit}", "{picture}", "--class", "dog"], "No model here has classes of its own"),
        (["{vit}", "{picture}", "--method", "attention"], "There is no method 'attention'"),
        (["{vit}", "{picture}", "--method", "grad_cam"], "Use relevance or occlusion or rollout."),
        (["{resnet}", "{picture}", "--method", "rollout"], "does not fit"),
        (["{picture}"], "Give one model or several"),
        ([], "Give one model or several"),
        (["{vit}", "missing.png"], "There is no image 'missing.png'"),
        (["ViT-mini-9.emoji", "{picture}"], "Did you mean ViT-mini-8.emoji"),
        (["{vit}", "{picture}", "--out", "map.gif"], "'map.gif' ends in neither"),
        (["--check"], "Give the models whose explanations are tested"),
        (["--check", "{vit}", "--text", "a dog"], "--check asks questions of its own"),
        (["--check", "{vit}", "--out", "check.png"], "'check.png' does not end so"),
    ],
)
def test_wrong_calls(visavis: Callable[..., Any], models: Any, picture: Path, arguments: list[str], said: str) -> None:
    places = {**models._asdict(), "picture": picture}
    called = visavis("explain", *(argument.format(**places) for argument in arguments))
    assert said in called.failed(2)
    assert called.out == ""


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "empty"), (b"these are words", "not an image"), (b"\x89PNG\r\n\x1a\n", "")]
)
def test_images_that_cannot_be_read(
    visavis: Callable[..., Any], models: Any, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "bad.png"
    file.write_bytes(content)
    called = visavis("explain", models.vit, file)
    assert said in called.failed(1)
    assert "bad.png" in called.err


def test_a_folder_is_no_image(visavis: Callable[..., Any], models: Any, tmp_path: Path) -> None:
    assert "Cannot read the image" in visavis("explain", models.vit, tmp_path).failed(2)


def test_a_place_that_cannot_be_written(
    visavis: Callable[..., Any], models: Any, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "Cannot write" in visavis("explain", models.vit, picture, "--out", tmp_path / "file" / "map.png").failed(1)
