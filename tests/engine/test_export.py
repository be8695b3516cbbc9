"""Files for other programs, opened by those programs themselves."""

from __future__ import annotations

import json
import warnings

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch

import visavis
from visavis.engine.export import export
from visavis.errors import UsageError, VisavisError


def pictures(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (n, 40, 50, 3), dtype=np.uint8))


def pixels(encoder: visavis.Encoder, n: int) -> np.ndarray:
    return torch.stack([encoder.preprocess(picture) for picture in pictures(n)]).numpy()


def run(path, images: np.ndarray) -> np.ndarray:
    """As its own library runs it, without a line of ours."""
    if path.suffix == ".onnx":
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]
    if path.suffix == ".xml":
        return openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)[0]
    return load_script(path)(torch.from_numpy(images)).numpy()


def load_script(path, files: dict[str, str] | None = None) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch would rather see torch.export
        return torch.jit.load(path, _extra_files=files)


@pytest.mark.parametrize(("form", "name"), [("onnx", "m.onnx"), ("torchscript", "m.pt"), ("openvino", "m.xml")])
@pytest.mark.parametrize("kind", ["clip_vit", "clip_resnet", "vit", "resnet"])
def test_the_library_gives_the_encoders_vectors(models, form, name, kind, tmp_path):
    encoder = visavis.load(getattr(models, kind))
    done = export(encoder, form, tmp_path / "new folder" / name)
    for n in (1, 3):
        wanted = encoder.encode_pixels(torch.from_numpy(pixels(encoder, n))).numpy()
        np.testing.assert_allclose(run(done.path, pixels(encoder, n)), wanted, atol=1e-4 * np.abs(wanted).max())
    assert "differ from PyTorch's by at most" in done.said
    assert {path.suffix for path in done.path.parent.iterdir()} <= {done.path.suffix, ".bin"}


@pytest.mark.parametrize(("form", "name"), [("onnx", "m.onnx"), ("openvino", "m.xml")])
@pytest.mark.parametrize("kind", ["vit", "clip_resnet"])
def test_int8_is_smaller_and_near(models, form, name, kind, tmp_path):
    encoder = visavis.load(getattr(models, kind))
    done = export(encoder, form, tmp_path / name, pictures(16))
    wanted = encoder.encode_pixels(torch.from_numpy(pixels(encoder, 16))).numpy()
    found = run(done.path, pixels(encoder, 16))
    cosines = (wanted * found).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > 0.97
    assert np.abs(found - wanted).max() > 0
    assert "on 8 of the images" in done.said


def test_a_clips_resnet_is_calibrated_although_its_text_tower_is_a_transformer(models, tmp_path):
    done = export(visavis.load(models.clip_resnet), "onnx", tmp_path / "m.onnx", pictures(8))
    kinds = {node.op_type for node in onnx.load(done.path).graph.node}
    assert "QuantizeLinear" in kinds
    assert "DynamicQuantizeLinear" not in kinds


def test_the_preprocessing_goes_along(models, tmp_path):
    encoder = visavis.load(models.vit)
    path = export(encoder, "onnx", tmp_path / "m.onnx").path
    facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(facts["preprocess"]) == json.loads(json.dumps(visavis_settings(encoder)))
    path, files = export(encoder, "torchscript", tmp_path / "m.pt").path, {"visavis.json": ""}
    load_script(path, files)
    assert json.loads(json.loads(files["visavis.json"])["preprocess"])["image_size"] == 32


def visavis_settings(encoder: visavis.Encoder) -> dict:
    from dataclasses import asdict

    return asdict(encoder.preprocessing)


@pytest.mark.parametrize(
    ("form", "name", "images", "words"),
    [
        ("onnx", "m.pt", 0, r"ends in \.onnx, and 'm\.pt' does not"),
        ("torchscript", "m.pt", 8, "int8 is written as onnx or openvino"),
        ("onnx", "m.onnx", 3, "at least 4, not 3"),
    ],
)
def test_called_wrong(models, form, name, images, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        export(visavis.load(models.vit), form, tmp_path / name, pictures(images))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(models, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VisavisError, match="Cannot write"):
        export(visavis.load(models.vit), "onnx", tmp_path / "file" / "m.onnx")


def test_by_the_command(visavis, models, photos, tmp_path):
    called = visavis("export", models.vit, "--out", tmp_path / "m.onnx", "--int8", "--calibrate", photos)
    assert (called.code, called.out.strip()) == (0, str(tmp_path / "m.onnx")), called.err
    assert "cosine" in called.err


@pytest.mark.parametrize("half", [("--int8",), ("--calibrate", "emoji")])
def test_int8_and_its_images_belong_together(visavis, models, tmp_path, half):
    called = visavis("export", models.vit, "--out", tmp_path / "m.onnx", *half)
    assert called.code == 2
    assert "Give both or none" in called.err
    assert not list(tmp_path.glob("m.onnx"))


def test_an_encoder_computes_with_the_engine_that_was_asked_for(models, monkeypatch, tmp_path):
    monkeypatch.setenv("VISAVIS_CACHE", str(tmp_path))
    plain = visavis.load(models.clip_vit, engine="torch").encode_images(pictures(5))
    encoder = visavis.load(models.clip_vit, engine="onnx")
    np.testing.assert_allclose(encoder.encode_images(pictures(5)), plain, atol=1e-4 * np.abs(plain).max())
    assert len(list(tmp_path.glob("onnx/*.onnx"))) == 1
    with pytest.raises(UsageError, match="Did you mean openvino"):
        visavis.load(models.clip_vit, engine="openvin")
