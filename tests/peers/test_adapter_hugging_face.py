"""`hf/…` against the living transformers: pixels, vectors, texts, scores. All is in folders; nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from adapting import (
    CLASSES,
    SMALL_VIT,
    TEXTS,
    TO_48,
    VIT,
    assert_head,
    assert_projection,
    compare,
    compare_texts,
    hugging_face_pair,
    made_images,
    transform_of,
)
from comparing import TOLERANCE, randomised, relative_gap
from torch import Tensor

from visavis.engine.load import load
from visavis.errors import UsageError, VisavisError


@pytest.fixture(scope="module")
def images() -> list:
    return made_images()


def labelled(config: type, **settings: Any) -> Any:
    return config(id2label=CLASSES, label2id={name: number for number, name in CLASSES.items()}, **settings)


def hugging_face_cases() -> dict[str, tuple[Callable[[], Any], Any, str]]:
    """A network, its image processor in the form that works on Pillow's images, and the family."""
    t = transformers
    return {
        "ViT": (
            lambda: t.ViTForImageClassification(labelled(t.ViTConfig, **SMALL_VIT)),
            t.ViTImageProcessorPil(size={"height": 48, "width": 48}),
            "supervised-vit",
        ),
        "ConvNeXt": (
            lambda: t.ConvNextForImageClassification(
                labelled(t.ConvNextConfig, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1])
            ),
            t.ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.8),
            "supervised-other",
        ),
        "ResNet": (
            lambda: t.ResNetForImageClassification(
                labelled(t.ResNetConfig, embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
            ),
            t.ConvNextImageProcessorPil(size={"shortest_edge": 64}),
            "supervised-resnet",
        ),
        "CLIP as a classifier": (
            lambda: t.CLIPForImageClassification(
                labelled(t.CLIPConfig, vision_config=SMALL_VIT, text_config={**VIT, "vocab_size": 49408})
            ),
            t.CLIPImageProcessorPil(**TO_48),
            "supervised-vit",
        ),
        "Swin": (
            lambda: t.SwinForImageClassification(
                labelled(t.SwinConfig, image_size=64, embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4)
            ),
            t.BeitImageProcessorPil(
                size={"height": 72, "width": 72}, crop_size={"height": 64, "width": 64}, do_center_crop=True
            ),
            "supervised-other",
        ),
        "MobileNet": (
            lambda: t.MobileNetV2ForImageClassification(
                labelled(t.MobileNetV2Config, image_size=48, depth_multiplier=0.35)
            ),
            t.MobileNetV2ImageProcessorPil(size={"shortest_edge": 57}, crop_size={"height": 48, "width": 48}),
            "supervised-other",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", hugging_face_cases())
def test_hugging_face_classifiers(case, images, tmp_path):
    build, processor, family = hugging_face_cases()[case]
    peer = randomised(build())
    peer.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    encoder = load(f"hf/{tmp_path}")
    given: list[Tensor] = []
    last = peer.classifier[-1] if isinstance(peer.classifier, torch.nn.Sequential) else peer.classifier
    last.register_forward_hook(lambda module, arguments, output: given.append(arguments[0]))

    def encode(pixels: Tensor) -> Tensor:
        given.clear()
        peer(pixels)
        return given[0]

    compare(encoder, images, transform_of(processor), encode)
    assert encoder.family == family
    assert encoder.class_names == tuple(CLASSES.values())
    assert_head(encoder, images, lambda pixels: peer(pixels).logits)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_hugging_face_pairs(kind, images, openai_tokenizer_module, tmp_path):
    peer, tokenizer, processor = hugging_face_pair(kind, tmp_path, openai_tokenizer_module)
    encoder = load(f"hf/{tmp_path}")
    compare(
        encoder,
        images,
        transform_of(processor),
        lambda pixels: peer.get_image_features(pixel_values=pixels).pooler_output,
    )
    assert (encoder.family, encoder.head, encoder.class_names) == ("clip-vit", None, None)
    features = assert_projection(encoder, images, 64)
    assert encoder.feature_network.ends_before_projection == (kind == "clip")  # SigLIP projects nothing
    with torch.inference_mode():
        pixels = torch.stack([encoder.preprocess(image) for image in images])
        assert relative_gap(features, peer.vision_model(pixel_values=pixels).pooler_output) <= TOLERANCE
    length = peer.config.text_config.max_position_embeddings
    found = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=length, return_tensors="pt")["input_ids"]
    compare_texts(encoder, found, lambda tokens: peer.get_text_features(input_ids=tokens).pooler_output)
    if kind == "clip":  # the library's own call pads to the longest text and masks the padding
        own = tokenizer(TEXTS, padding=True, truncation=True, max_length=length, return_tensors="pt")
        with torch.inference_mode():
            theirs = peer.get_text_features(**own).pooler_output
        assert relative_gap(torch.from_numpy(encoder.encode_texts(TEXTS)), theirs) <= TOLERANCE
    assert encoder.logit_scale == pytest.approx(float(peer.logit_scale.exp()), rel=1e-6)
    with torch.inference_mode():
        scores = peer(input_ids=found, pixel_values=pixels).logits_per_image
    ours = (
        encoder.logit_scale
        * encoder.encode_images(images, normalize=True)
        @ encoder.encode_texts(TEXTS, normalize=True).T
    )
    np.testing.assert_array_equal(ours.argsort(axis=1), scores.numpy().argsort(axis=1))  # SigLIP's bias changes none


@pytest.mark.parametrize(
    ("build", "reading", "family", "theirs"),
    [
        (
            lambda: transformers.ViTModel(transformers.ViTConfig(**SMALL_VIT), add_pooling_layer=False),
            "mean of last_hidden_state",
            "other-vit",
            lambda output: output.last_hidden_state.mean(dim=1),
        ),
        (
            lambda: transformers.ViTModel(transformers.ViTConfig(**SMALL_VIT)),
            "pooler_output",
            "other-vit",
            lambda output: output.pooler_output,
        ),
        (
            lambda: transformers.ResNetModel(
                transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
            ),
            "pooler_output",
            "other-resnet",
            lambda output: output.pooler_output[:, :, 0, 0],
        ),
        (
            lambda: transformers.CLIPVisionModelWithProjection(
                transformers.CLIPVisionConfig(**SMALL_VIT, projection_dim=24)
            ),
            "image_embeds",
            "clip-vit",
            lambda output: output.image_embeds,
        ),
    ],
    ids=["ViT without a pooler", "ViT", "ResNet", "CLIP's images"],
)
def test_hugging_face_networks_without_a_head(build, reading, family, theirs, images, tmp_path):
    """A pooler that the file does not hold would be random: the mean is taken instead, and said."""
    peer, processor = randomised(build()), transformers.CLIPImageProcessorPil(**TO_48)
    peer.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    encoder = load(f"hf/{tmp_path}")
    compare(encoder, images, transform_of(processor), lambda pixels: theirs(peer(pixels)))
    assert (encoder.about["vector"], encoder.family) == (reading, family)
    assert encoder.feature_network.ends_before_projection == (reading == "image_embeds")
    assert_projection(
        encoder, images, {"mean of last_hidden_state": 64, "image_embeds": 64}.get(reading, encoder.embed_dim)
    )
    assert (encoder.head, encoder.class_names, encoder.has_text) == (None, None, False)
    with pytest.raises(UsageError, match=r"has no text tower\. Use one of the CLIP models"):
        encoder.encode_texts(["a dog"])


@pytest.fixture
def saved_vit(tmp_path) -> Path:
    transformers.ViTForImageClassification(transformers.ViTConfig(**SMALL_VIT, num_labels=5)).save_pretrained(tmp_path)
    transformers.ViTImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(tmp_path)
    return tmp_path


def test_unnamed_classes_and_fresh_weights(saved_vit):
    encoder = load(f"hf/{saved_vit}")
    assert encoder.head is not None
    assert encoder.class_names is None
    one, same, other = (load(f"hf/{saved_vit}", weights=None, seed=seed) for seed in (0, 0, 1))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert encoder.fingerprint not in {one.fingerprint, other.fingerprint}


def test_half_precision_becomes_float32(saved_vit):
    peer = transformers.ViTForImageClassification.from_pretrained(saved_vit, dtype=torch.float16)
    peer.save_pretrained(saved_vit)
    encoder = load(f"hf/{saved_vit}")
    assert {tensor.dtype for tensor in encoder.model.parameters()} == {torch.float32}
    stored = peer.state_dict()
    for name, tensor in encoder.model.state_dict().items():
        torch.testing.assert_close(tensor, stored[name].float(), rtol=0, atol=0)


def edit(path: Path, **changes: Any) -> None:
    written = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in written.items() if value is not None}))


def test_settings_that_change_vectors_change_the_fingerprint(saved_vit):
    before = load(f"hf/{saved_vit}").fingerprint
    edit(saved_vit / "config.json", hidden_act="relu")
    changed = load(f"hf/{saved_vit}").fingerprint
    edit(saved_vit / "preprocessor_config.json", resample=3)
    assert len({before, changed, load(f"hf/{saved_vit}").fingerprint}) == 3


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("preprocessor_config.json", {"image_processor_type": "MobileViTImageProcessor"}, "MobileViT.* is none of"),
        ("preprocessor_config.json", {"rescale_factor": 1 / 127.5}, "rescale_factor .* is not 1/255"),
        ("preprocessor_config.json", {"do_rescale": False}, "do_rescale is off"),
        ("preprocessor_config.json", {"resample": 0}, "resample 0 is neither"),
        ("preprocessor_config.json", {"size": {"height": 48, "width": 64}}, "images of 64 x 48 pixels are not square"),
        ("preprocessor_config.json", {"image_mean": None}, "it lacks 'image_mean'"),
        ("config.json", {"model_type": "timm_wrapper", "architecture": "a", "num_classes": 5}, "timm/local-dir:"),
        ("config.json", {"model_type": "bert"}, r"\(bert\) has no image tower .* It opens clip, siglip"),
        ("config.json", {"model_type": "blip"}, r"\(blip\) has no image tower"),
        ("config.json", {"architectures": ["OwnForImageClassification"]}, "needs a class OwnForImageClassification"),
    ],
)  # fmt: skip
def test_folders_that_visavis_cannot_use(saved_vit, file, changes, words):
    if changes.get("model_type") in ("bert", "blip"):
        changes = {**changes, "architectures": None, "hidden_size": 64, "image_size": None, "patch_size": None}
    edit(saved_vit / file, **changes)
    with pytest.raises(UsageError, match=words):
        load(f"hf/{saved_vit}")


def test_weights_of_another_network(saved_vit):
    edit(saved_vit / "config.json", num_hidden_layers=3)
    with pytest.raises(VisavisError, match=r"lack \d+ tensors of ViTForImageClassification .* which would be random"):
        load(f"hf/{saved_vit}")
    (saved_vit / "model.safetensors").write_bytes((saved_vit / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(VisavisError, match="could not be opened: its library says"):
        load(f"hf/{saved_vit}")


def test_pickles_and_code_are_left_alone(saved_vit, tmp_path_factory):
    """A folder with a pickle alone, and one whose configuration points to code of its own."""
    trace = tmp_path_factory.mktemp("trace") / "ran"
    (saved_vit / "own.py").write_text(f"open({str(trace)!r}, 'w')")
    own = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoModelForImageClassification": "own.Model"}
    edit(saved_vit / "config.json", auto_map=own)
    load(f"hf/{saved_vit}")  # transformers knows ViT itself
    edit(saved_vit / "config.json", auto_map=own, model_type="own")
    with pytest.raises(VisavisError, match="could not be opened"):
        load(f"hf/{saved_vit}")
    (saved_vit / "model.safetensors").unlink()
    (saved_vit / "pytorch_model.bin").write_bytes(f"cbuiltins\nopen\n(V{trace}\nVw\ntR.".encode())
    with pytest.raises(UsageError, match=r"lacks weights as safetensors\. .* opened by their path alone"):
        load(f"hf/{saved_vit}")
    assert not trace.exists()


def test_a_network_that_hides_parts_at_random(tmp_path):
    transformers.ViTMAEForPreTraining(
        transformers.ViTMAEConfig(
            **{**SMALL_VIT, "patch_size": 4},
            decoder_hidden_size=32,
            decoder_num_hidden_layers=1,
            decoder_num_attention_heads=2,
        )
    ).save_pretrained(tmp_path)
    transformers.ViTImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="gives another vector of the same image each time"):
        load(f"hf/{tmp_path}")


def test_folders_that_are_not_there():
    words = "names neither a repository, as in hf/openai/clip-vit-base-patch32, nor a folder"
    with pytest.raises(UsageError, match=words):
        load("hf/no/such/folder")
