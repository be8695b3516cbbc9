"""Traps in what stands beside the weights, planted in files: activation, preprocessing, sizes, tokens."""

from __future__ import annotations

import pytest
from safetensors.torch import save_file

from visavis.inspection.doctor.examine import examine
from visavis.zoo.architectures import build_model, find_config, with_activation
from visavis.zoo.layouts.names import from_visavis
from visavis.zoo.layouts.tables import LAYOUTS
from visavis.zoo.preprocess import IMAGENET_MEAN, IMAGENET_STD
from visavis.zoo.published import read_published


def test_an_open_clip_file_without_its_json(folder, finding_of, tmp_path):
    files = folder("clip-vit", "open_clip")
    bare = files.weights.rename(tmp_path / "bare.safetensors")
    found = finding_of(bare, "activation")
    assert found.verdict == "unknown"
    assert "FILE::NAME" in found.remedy
    for trap in ("normalisation", "interpolation and crop", "opening", "network"):
        assert finding_of(bare, trap).verdict == "unknown", trap
    assert finding_of(bare, "channel order").verdict == "unknown"


def test_both_activations_are_offered_with_who_uses_them(tmp_path, finding_of):
    config = find_config("ViT-B-32")
    state = {name: value.half() for name, value in build_model(config, seed=0).state_dict().items()}
    save_file(from_visavis(LAYOUTS["openai"], state, config), tmp_path / "b32.safetensors")
    diagnosis = examine(tmp_path / "b32.safetensors")
    assert diagnosis.architectures == ("ViT-B-32", "ViT-B-32-quickgelu")
    found = next(finding for finding in diagnosis.findings if finding.trap == "activation")
    assert found.verdict == "unknown"
    assert "Published with quickgelu: openai, laion400m_e31" in found.found
    assert "Published with gelu: laion2b_e16" in found.found
    assert "ViT-B-32, ViT-B-32-quickgelu" in found.remedy
    assert finding_of(tmp_path / "b32.safetensors", "activation", "ViT-B-32.openai").verdict == "good"


def test_json_that_contradicts_the_published_activation(folder, trained):
    config = with_activation(trained("clip-vit").config, "quickgelu")
    files = folder("clip-vit", "hf", config=config)
    row = next(row for row in read_published().values() if row.activation == "gelu" and row.source == "open_clip")
    found = files.finding("activation", row.name)
    assert found.verdict == "bad"
    assert f"says quickgelu; {row.name} was trained with gelu" in found.found


def test_towers_with_different_activations(folder):
    files = folder("clip-vit", "hf")
    files.change("config.json", lambda config: config["text_config"].update(hidden_act="quick_gelu"))
    found = files.finding("activation")
    assert (found.verdict, "images have gelu, texts quickgelu" in found.found) == ("warning", True)


def test_pixels_on_another_scale(folder):
    files = folder("clip-vit", "hf")
    mean = [255 * value for value in IMAGENET_MEAN]
    files.change("preprocessor_config.json", lambda config: config.update(image_mean=mean))
    assert files.finding("normalisation").verdict == "bad"
    files.change("preprocessor_config.json", lambda config: config.update(image_mean=[0.5] * 3, rescale_factor=1.0))
    found = files.finding("normalisation")
    assert (found.verdict, "rescale_factor of 1.0" in found.found) == ("bad", True)


def test_mean_and_deviation_of_nobody(folder):
    files = folder("clip-vit", "hf")
    files.change("preprocessor_config.json", lambda config: config.update(image_mean=[0.3, 0.4, 0.5]))
    assert files.finding("normalisation").verdict == "warning"


def test_mean_and_interpolation_against_the_published_ones(folder):
    files = folder("vit", "timm")
    row = read_published()["vit_base_patch16_224.augreg_in21k_ft_in1k"]
    found = files.finding("normalisation", row.name)
    assert found.verdict == "bad"
    assert "mean (0.485, 0.456, 0.406), not (0.5, 0.5, 0.5)" in found.found
    files.change("config.json", lambda config: config["pretrained_cfg"].update(interpolation="bilinear"))
    found = files.finding("interpolation and crop", row.name)
    assert (found.verdict, "interpolation bilinear, not bicubic" in found.found) == ("bad", True)


def test_blue_before_red(folder):
    files = folder("resnet", "timm")
    reverse = {"mean": IMAGENET_MEAN[::-1], "std": IMAGENET_STD[::-1]}
    files.change("config.json", lambda config: config["pretrained_cfg"].update(reverse))
    assert files.finding("channel order").verdict == "bad"


def test_a_clip_with_bilinear_pictures(folder):
    files = folder("clip-vit", "open_clip")
    files.change("open_clip_config.json", lambda config: config["preprocess_cfg"].update(interpolation="bilinear"))
    assert files.finding("interpolation and crop").verdict == "warning"


def test_preprocessing_that_nobody_can_do(folder):
    files = folder("clip-vit", "hf")
    files.change("preprocessor_config.json", lambda config: config.update(resample=1))
    found = files.finding("interpolation and crop")
    assert (found.verdict, "resample 1" in found.found) == ("bad", True)


def test_positions_for_another_image_size(folder):
    files = folder("clip-vit", "hf")
    files.change("config.json", lambda config: config["vision_config"].update(image_size=64))
    found = files.finding("image size")
    assert found.verdict == "bad"
    assert "for images of 32 pixels, but the JSON beside it says 64" in found.found
    assert "visavis resizes" in found.remedy


def test_another_context_length(folder, finding_of, tmp_path):
    files = folder("clip-vit", "hf")
    assert files.finding("context length").verdict == "warning"  # 16, not 77
    files.change("config.json", lambda config: config["text_config"].update(max_position_embeddings=77))
    found = files.finding("context length")
    assert (found.verdict, found.remedy) == ("bad", "Correct it to 16. visavis goes by the tensor.")


@pytest.mark.parametrize(("stated", "verdict"), [(2, "warning"), (0, "bad"), (599, "warning")])
def test_end_tokens(folder, stated, verdict):
    files = folder("clip-vit", "hf")
    files.change("config.json", lambda config: config["text_config"].update(eos_token_id=stated))
    found = files.finding("end token")
    assert found.verdict == verdict  # 599 is right, but 600 tokens are not CLIP's
    assert "599" in found.found + found.remedy
