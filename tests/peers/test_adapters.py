"""Networks of three libraries in one pipeline: kept embeddings, a study as a process, weights that are not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import timm
from adapting import TOWERS, hugging_face_pair, made_images, saved_open_clip
from comparing import randomised
from PIL import Image
from timm.models import save_for_hf

from visavis.data.dataset import Sample, sample_id
from visavis.data.views import parse_view
from visavis.engine.embed import embed
from visavis.engine.load import load


@pytest.fixture(scope="module")
def three(tmp_path_factory, openai_tokenizer_module) -> dict[str, str]:
    """Names of a network of each library, in folders."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("timm", "open_clip", "hf")}
    save_for_hf(
        randomised(timm.create_model("test_convnext", num_classes=3)),
        folders["timm"],
        model_config={"label_names": ["red", "green", "blue"]},
        safe_serialization=True,
    )
    saved_open_clip(folders["open_clip"], TOWERS["clip-vit"], {})
    hugging_face_pair("siglip", folders["hf"], openai_tokenizer_module)
    return {
        "timm": f"timm/local-dir:{folders['timm']}",
        "open_clip": f"open_clip/local-dir:{folders['open_clip']}",
        "hf": f"hf/{folders['hf']}",
    }


@pytest.mark.parametrize("library", ["timm", "open_clip", "hf"])
def test_embeddings_are_kept(library, three, tmp_path):
    samples, images = [], made_images()
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
        data = (tmp_path / f"{number}.png").read_bytes()
        samples.append(Sample(id=sample_id(data, str(number)), name=str(number), data=data))
    encoder, done = load(three[library]), []
    vectors = embed(encoder, samples, parse_view("clean"), tmp_path / "cache", done.append)
    np.testing.assert_allclose(vectors, encoder.encode_images(images), rtol=1e-4, atol=1e-4 * np.abs(vectors).max())
    fresh = load(three[library])
    fresh._encode_image = None  # a second run encodes nothing
    np.testing.assert_array_equal(embed(fresh, samples, parse_view("clean"), tmp_path / "cache"), vectors)


def test_a_study_as_a_process(three, tmp_path):
    for package in ("cyclopts", "scipy", "sklearn"):
        pytest.importorskip(package, reason=f"visavis compare needs {package}, which this environment lacks")
    random = np.random.default_rng(0)
    for column, colour in enumerate(("red", "green", "blue")):
        (tmp_path / "data" / colour).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 120, (40, 50, 3))
            pixels[..., column] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / colour / f"{number}.png")
    arguments = ["compare", *three.values(), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from visavis.cli import main; main(sys.argv[1:])", *arguments],
        env={**os.environ, "VISAVIS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    study = json.loads((tmp_path / "out" / "study.json").read_text())
    said = {model["name"]: (model["architecture"], model["training"]) for model in study["models"]}
    assert said == {
        three["timm"]: ("another architecture", "labels"),
        three["open_clip"]: ("ViT", "language"),
        three["hf"]: ("ViT", "language"),
    }
    assert [model["macs"] > 1e5 for model in study["models"]] == [True] * 3
    assert "another architecture, trained on labels" in (tmp_path / "out" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "timm/resnet18",
        "timm/hf-hub:timm/resnet18.a1_in1k",
        "open_clip/RN50::cc12m",
        "open_clip/hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "hf/openai/clip-vit-base-patch32",
    ],
)
def test_weights_that_are_not_here(name, tmp_path):
    """In a process of its own, for huggingface_hub reads its variables once."""
    done = subprocess.run(
        [sys.executable, "-c", f"from visavis.engine.load import load; load({name!r})"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    words = (
        f"visavis.errors.VisavisError: '{name}' is not on this machine, and huggingface_hub was told to stay offline."
    )
    assert done.stderr.splitlines()[-1].startswith(words)
