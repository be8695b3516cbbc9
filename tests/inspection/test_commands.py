"""`visavis doctor` and `visavis diff` as their user meets them."""

from __future__ import annotations

import pytest

from visavis.zoo.checkpoint import save_checkpoint


def test_doctor_of_a_sound_file(visavis):
    called = visavis("doctor", "vit-mini-patch8.emoji")
    assert called.code == 0, called.err
    assert "supervised-vit" in called.out
    assert called.out.splitlines()[-1].endswith(" good.")


def test_doctor_of_a_bad_file(visavis, folder):
    files = folder("vit", "timm")
    files.plant(lambda tensors: tensors["blocks.0.mlp.fc2.weight"].zero_())
    called = visavis("doctor", files.path)
    assert "would mislead: constant weights" in called.failed(1)
    assert "blocks.0.mlp.fc2.weight" in called.out


@pytest.mark.parametrize(
    ("argument", "said"),
    [("no/such/file.pt", "There is no file or folder"), ("{file}::RN51", "Did you mean RN50")],
)
def test_doctor_called_wrong(visavis, models, argument, said):
    assert said in visavis("doctor", argument.format(file=models.clip_resnet)).failed(2)


def test_diff_of_two_files_and_its_plot(visavis, trained, tmp_path):
    checkpoint = trained("clip-vit")
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    checkpoint.state["visual.transformer.resblocks.2.mlp.c_fc.weight"] *= 1.1
    save_checkpoint(tmp_path / "b.safetensors", checkpoint)
    files = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    called = visavis("diff", *files, "--text", "a dog", "--out", tmp_path / "d.html")
    assert called.code == 0, called.err
    assert "block 2 mlp.c_fc" in called.out
    assert "The image towers part at visual.transformer.resblocks.2.mlp.c_fc" in " ".join(called.out.split())
    assert "The text towers agree, bit by bit" in " ".join(called.out.split())
    assert called.out.splitlines()[-1] == str(tmp_path / "d.html")
    assert "resblocks" in (tmp_path / "d.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RN-mini.emoji", "ViT-mini-8.emoji"], "a clip-resnet and 'ViT-mini-8.emoji' a clip-vit"),
        (["RN-mini.emoji", "RN-mini.emoji", "--image", "no.png"], "no.png"),
        (["RN-mini.emoji", "RN-mini.emoji", "--out", "plot.png"], ".html or .svg"),
        (["resnet-mini.emoji", "resnet-mini.emoji", "--text", "a dog"], "has no text tower"),
    ],
)
def test_diff_called_wrong(visavis, arguments, said):
    assert said in visavis("diff", *arguments).failed(2)
