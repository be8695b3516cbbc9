"""`open_clip/…` against the living open_clip: pixels, vectors, texts. All is saved in folders; nothing is fetched."""

from __future__ import annotations

import logging
from typing import Any

import open_clip
import pytest
import torch
from adapting import (
    TEXTS,
    TOWERS,
    assert_projection,
    compare,
    compare_texts,
    made_images,
    saved_open_clip,
    words_tokenizer,
)
from comparing import TOLERANCE, relative_gap
from open_clip.transform import PreprocessCfg, image_transform_v2

from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.inspection.cost import count_macs, count_params


@pytest.fixture(scope="module")
def images() -> list:
    return made_images()


@pytest.mark.parametrize(
    ("family", "preprocess"),
    [
        ("clip-vit", {"interpolation": "bicubic", "resize_mode": "shortest"}),
        ("clip-resnet", {"interpolation": "bilinear", "resize_mode": "squash"}),
        ("clip-other", {"interpolation": "random", "resize_mode": "shortest"}),
    ],
)
def test_open_clip(family, preprocess, images, tmp_path):
    peer = saved_open_clip(tmp_path, TOWERS[family], preprocess)
    encoder = load(f"open_clip/local-dir:{tmp_path}")
    settings = PreprocessCfg(**open_clip.get_model_preprocess_cfg(peer))
    transform = image_transform_v2(settings, is_train=False)
    compare(encoder, images, transform, peer.encode_image)
    assert encoder.family == family
    compare_texts(encoder, open_clip.get_tokenizer(f"local-dir:{tmp_path}")(TEXTS), peer.encode_text)
    features = assert_projection(encoder, images, {"clip-vit": 64, "clip-resnet": 256, "clip-other": 64}[family])
    if family == "clip-other":
        return
    ours = load(tmp_path)  # visavis's own network with the same weights
    if family == "clip-vit":  # a ResNet's attention asks for one place alone in ours, and for all of them in theirs
        assert count_macs(encoder.image_tower, 64) == count_macs(ours.image_tower, 64)
    assert count_params(encoder.model) == count_params(ours.model)
    assert relative_gap(assert_projection(ours, images, encoder.feature_dim), features) <= TOLERANCE
    vectors = torch.from_numpy(encoder.encode_images(images))
    assert relative_gap(torch.from_numpy(ours.encode_images(images)), vectors) <= TOLERANCE
    assert encoder.logit_scale == pytest.approx(float(peer.logit_scale.exp()), rel=1e-6)


def test_open_clip_with_siglip_texts(images, tmp_path):
    """Its text tower sees padding, reads the last column, and has a bias: trimmed columns would change every vector."""
    words_tokenizer(16).save_pretrained(tmp_path)
    text = {
        "context_length": 16, "vocab_size": 32, "width": 64, "heads": 2, "layers": 2, "hf_tokenizer_name": "words",
        "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
    }  # fmt: skip
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "none"}
    towers = {"embed_dim": 64, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    peer = saved_open_clip(tmp_path, towers, {"resize_mode": "squash"})
    encoder = load(f"open_clip/local-dir:{tmp_path}")
    assert encoder.family == "clip-vit"
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(TEXTS)
    assert (tokens[0, -5:] == 0).all()
    compare_texts(encoder, tokens, peer.encode_text)
    pixels = torch.stack([encoder.preprocess(image) for image in images])
    with torch.inference_mode():
        theirs, _, scale, bias = peer(pixels, tokens)
    assert float(bias) == pytest.approx(-10, abs=0.2)
    ours = encoder.encode_images(images, normalize=True)
    assert relative_gap(torch.from_numpy(ours), theirs) <= TOLERANCE
    assert encoder.logit_scale == pytest.approx(float(scale), rel=1e-6)


@pytest.mark.parametrize(
    ("vision", "feature_dim"),
    [
        ({"timm_model_name": "test_convnext", "timm_proj": ""}, 64),  # the classifier's place in timm's own network
        ({"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": ""}, 64),
        ({"timm_model_name": "test_convnext", "timm_proj": "mlp"}, 24),  # two maps, and not one that is linear
        ({"timm_model_name": "test_convnext", "timm_pool": "abs_attn", "timm_proj": "linear"}, 24),
    ],
)
def test_what_a_projection_reads(vision, feature_dim, images, tmp_path):
    saved_open_clip(tmp_path, {"vision_cfg": {"image_size": 160, **vision}}, {})
    encoder = load(f"open_clip/local-dir:{tmp_path}")
    assert_projection(encoder, images, feature_dim)
    assert (encoder.feature_network.ends_before_projection) == (vision["timm_proj"] != "mlp")


def test_features_come_from_every_engine(images, tmp_path):
    saved_open_clip(tmp_path, TOWERS["clip-vit"], {})
    name = f"open_clip/local-dir:{tmp_path}"
    wanted = torch.from_numpy(load(name).encode_images(images))
    for engine in ("onnx", "openvino"):
        assert relative_gap(torch.from_numpy(load(name, engine=engine).encode_images(images)), wanted) <= TOLERANCE


def test_activations_belong_to_the_weights(monkeypatch, tmp_path):
    """The weights of ViT-B-32::openai are QuickGELU, which open_clip's own network of that name is not."""
    saved_open_clip(tmp_path, TOWERS["clip-vit"], {})
    create, asked = open_clip.create_model, []

    def create_small(name: str, pretrained: str, force_quick_gelu: bool, **settings: Any) -> Any:
        asked.append((name, pretrained))
        return create(f"local-dir:{tmp_path}", force_quick_gelu=force_quick_gelu)

    monkeypatch.setattr(open_clip, "create_model", create_small)
    quick, plain = load("open_clip/ViT-B/32::openai"), load("open_clip/ViT-B-32::laion2b_s34b_b79k")
    assert asked == [("ViT-B-32", "openai"), ("ViT-B-32", "laion2b_s34b_b79k")]
    for tower in ("visual.transformer", "transformer"):
        blocks = [encoder.model.get_submodule(f"{tower}.resblocks.0.mlp.gelu") for encoder in (quick, plain)]
        assert [type(block).__name__ for block in blocks] == ["QuickGELU", "GELU"]
    assert quick.fingerprint != plain.fingerprint
    assert plain.about["weights"] == "laion2b_s34b_b79k"
    assert plain.about["license"] == "MIT"  # the catalogue's row of the same weights


def test_fresh_weights():
    before = torch.random.get_rng_state()
    one, same, other = (load("open_clip/ViT-S-32-alt", weights=None, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.about == {"seed": 0}
    with pytest.raises(UsageError, match=r"Fresh weights have no tag: leave out '::openai'"):
        load("open_clip/ViT-B-32::openai", weights=None)


def test_logs_are_left_as_they_were(caplog):
    """open_clip tells of fresh weights through Python's root logger; nothing of that is said, and nothing set up."""
    before = list(logging.root.handlers), list(logging.root.filters)
    load("open_clip/ViT-S-32-alt", weights=None)
    assert (list(logging.root.handlers), list(logging.root.filters)) == before
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ViT-B-33::openai", r"has no model 'ViT-B-33'\. Did you mean ViT-B-32 "),
        ("ViT-B-32::laion2b_s34b", r"no weights 'laion2b_s34b' .* Did you mean ViT-B-32::laion2b_"),
        ("ViT-B-32", r"needs a tag behind 'ViT-B-32'\. It has ViT-B-32::openai, .* and \d+ more\."),
        ("coca_base", r"has no weights for 'coca_base'\. weights=None draws fresh ones"),
    ],
)
def test_unknown_names(name, words):
    with pytest.raises(UsageError, match=words):
        load(f"open_clip/{name}")


def test_images_that_are_not_square(tmp_path):
    towers = {"vision_cfg": {**TOWERS["clip-vit"]["vision_cfg"], "image_size": [64, 48]}}
    saved_open_clip(tmp_path, towers, {})
    with pytest.raises(UsageError, match="images of 48 x 64 pixels are not square"):
        load(f"open_clip/local-dir:{tmp_path}")


def test_images_that_are_padded(tmp_path):
    saved_open_clip(tmp_path, TOWERS["clip-vit"], {"resize_mode": "longest"})
    with pytest.raises(UsageError, match="resize_mode 'longest' is none of shortest, squash"):
        load(f"open_clip/local-dir:{tmp_path}")
