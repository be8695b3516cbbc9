"""Every format that weights are published in, written by a live peer at full size, opened by `visavis.load`.

Which architectures there are is the matter of test_every_architecture.py.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision
import transformers
from comparing import assert_close, classifier_gap, clip_gap, pictures, randomised, tokens
from safetensors.torch import save_file
from torch import nn
from transformers.utils import logging

from visavis.engine.load import load
from visavis.zoo.architectures import find_config
from visavis.zoo.layouts.names import from_visavis, to_visavis
from visavis.zoo.layouts.tables import LAYOUTS


@pytest.mark.parametrize("name", ["RN50", "RN50x4", "ViT-B-32", "ViT-B-16", "ViT-L-14"])
def test_openais_torchscript(openai_model_module, name, tmp_path, tell):
    # OpenAI publishes traced archives in half precision; its own build_model makes the network from their state
    reference = randomised(open_clip.CLIP(**open_clip.get_model_config(f"{name}-quickgelu"))).half()
    context_length, state = reference.context_length, reference.state_dict()
    peer = openai_model_module.build_model({key: value for key, value in state.items() if key != "attn_mask"}).eval()
    path = tmp_path / "clip.pt"
    save_openai_like_archive(peer, context_length, path)
    encoder = load(path)
    assert encoder.about["format"] == "openai in torchscript"
    tell(name, "TorchScript, half precision", "OpenAI CLIP", clip_gap(encoder, peer.float()))


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("RN50-quickgelu", ".pt"), ("RN101", ".safetensors"), ("ViT-B-32", ".bin"), ("ViT-B-16-plus-240", ".safetensors")],
)
def test_open_clips_files(name, suffix, tmp_path, tell):
    peer = randomised(open_clip.create_model(name))
    path = tmp_path / f"weights{suffix}"
    state = peer.state_dict()
    if suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    elif suffix == ".pt":  # as its training writes them
        wrapped = {f"module.{key}": value for key, value in state.items()}
        torch.save({"epoch": 3, "name": "run", "state_dict": wrapped, "optimizer": {"state": {}}}, path)
    else:
        torch.save(state, path)
    tell(name, f"{suffix}, named", "open_clip", clip_gap(load(f"{path}::{name}"), peer))


def test_open_clips_folder(tmp_path, tell):
    peer = randomised(open_clip.create_model("ViT-B-32-quickgelu"))
    config = {
        "model_cfg": open_clip.get_model_config("ViT-B-32-quickgelu"),
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {key: value.contiguous() for key, value in peer.state_dict().items()}, tmp_path / "open_clip_model.safetensors"
    )
    encoder = load(tmp_path)
    assert encoder.preprocessing.mean == (0.5, 0.5, 0.5)
    tell("ViT-B-32-quickgelu", "open_clip's folder", "open_clip", clip_gap(encoder, peer))


@pytest.mark.parametrize(
    ("name", "visual", "text", "embed_dim"),
    [
        ("ViT-B-32", {}, {}, 512),  # transformers' defaults
        (
            "ViT-L-14",
            {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
            | {"patch_size": 14},
            {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
            768,
        ),
    ],
)
def test_hugging_faces_clip(name, visual, text, embed_dim, tmp_path, tell):
    logging.set_verbosity_error()
    described = transformers.CLIPConfig(vision_config=visual, text_config=text, projection_dim=embed_dim)
    peer = randomised(transformers.CLIPModel(described))
    peer.save_pretrained(tmp_path)
    transformers.CLIPImageProcessorPil().save_pretrained(tmp_path)
    encoder = load(tmp_path)
    images, texts = pictures(2, 224), tokens(encoder.model.config.text)
    with torch.inference_mode():
        assert encoder.logit_scale == float(peer.logit_scale.exp())
        gap = max(
            assert_close(encoder.model.encode_image(images), peer.get_image_features(images).pooler_output),
            assert_close(encoder.model.encode_text(texts), peer.get_text_features(texts).pooler_output),
            assert_close(encoder.model(images, texts), peer(input_ids=texts, pixel_values=images).logits_per_image),
        )
    tell(name, "Hugging Face's folder", "transformers", gap)


@pytest.mark.parametrize(
    ("name", "network", "processor"),
    [
        (
            "resnet50",
            lambda: transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=1000)),
            transformers.ConvNextImageProcessorPil(size={"shortest_edge": 224}),
        ),
        (
            "vit_base_patch16_224",
            lambda: transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=1000)),
            transformers.ViTImageProcessorPil(),
        ),
    ],
)
def test_hugging_faces_classifiers(name, network, processor, tmp_path, tell):
    """Transformers' defaults are ResNet-50 and ViT-B/16."""
    peer = randomised(network())
    peer.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    encoder = load(tmp_path)
    assert encoder.image_size == 224
    tell(name, "Hugging Face's folder", "transformers", classifier_gap(encoder, peer))


@pytest.mark.parametrize(
    ("name", "published", "make"),
    [
        ("resnet50", "resnet50.tv2_in1k", torchvision.models.resnet50),
        ("resnext50_32x4d", "resnext50_32x4d.tv_in1k", torchvision.models.resnext50_32x4d),
        ("wide_resnet50_2", "wide_resnet50_2.tv2_in1k", torchvision.models.wide_resnet50_2),
        ("vit_b_32", "vit_b_32.IMAGENET1K_V1", torchvision.models.vit_b_32),
    ],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_torchvisions_files(name, published, make, zipped, tmp_path, tell):
    peer = randomised(make())
    path = tmp_path / "weights.pth"
    torch.save(peer.state_dict(), path, _use_new_zipfile_serialization=zipped)
    kind = f".pth, {'zip' if zipped else 'legacy'}, named"
    tell(name, kind, "torchvision", classifier_gap(load(f"{path}::{published}"), peer))


@pytest.mark.parametrize(
    "name", ["resnet18.a1_in1k", "vit_base_patch16_224.augreg_in21k_ft_in1k", "deit_small_patch16_224.fb_in1k"]
)
def test_timms_folders(name, tmp_path, tell):
    peer = randomised(timm.create_model(name, pretrained=False))
    timm.models.save_for_hf(peer, tmp_path)
    encoder = load(tmp_path)
    data = timm.data.resolve_model_data_config(peer)
    assert encoder.preprocessing.mean == tuple(data["mean"])
    assert encoder.preprocessing.interpolation == data["interpolation"]
    tell(name.partition(".")[0], "timm's folder", "timm", classifier_gap(encoder, peer))


def test_big_visions_arrays(tmp_path, tell):
    """No living library writes them; timm's own reader says what they mean."""
    name = "vit_base_patch32_224"
    theirs = randomised(timm.create_model(name)).state_dict()
    config = find_config(name)
    arrays = from_visavis(LAYOUTS["npz-vit"], to_visavis(LAYOUTS["timm-vit"], theirs, config), config)
    path = tmp_path / "weights.npz"
    np.savez(path, **{key: tensor.numpy() for key, tensor in arrays.items()})
    peer = timm.create_model(name).eval()
    peer.load_pretrained(str(path))
    encoder = load(f"{path}::{name}.augreg_in21k_ft_in1k")
    tell(name, ".npz, named", "timm", classifier_gap(encoder, peer))


def save_openai_like_archive(peer: nn.Module, context_length: int, path: Path) -> None:
    """As OpenAI's archives are: both encoders traced in half precision, with the three numbers beside the weights."""
    visual = peer.visual
    side = getattr(visual, "input_resolution", 224)
    for number, value in (("input_resolution", side), ("context_length", context_length), ("vocab_size", 49408)):
        vars(peer).pop(number, None)  # a plain number in the class that the archives were traced from
        peer.register_buffer(number, torch.tensor(value))
    images, texts = torch.rand(1, 3, side, side), torch.randint(1, 49000, (1, context_length))
    peer.half().float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes taken as constants, as it did for the published ones
        traced = torch.jit.trace_module(peer, {"encode_image": (images,), "encode_text": (texts,)}, check_trace=False)
        torch.jit.save(traced.half(), path)


def test_published_paths_are_no_pickles(tmp_path):
    trace = tmp_path / "trace"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (trace,)

    path = tmp_path / "weights.pth"
    torch.save({"state_dict": torchvision.models.resnet18().state_dict(), "args": Payload()}, path)
    load(f"{path}::resnet18.tv_in1k")
    assert not trace.exists()
