"""Full-size networks, written by the live peers in their own formats, opened by `visavis.load`: the same outputs.

One row a file: model, format, peer, the largest difference of any output as a fraction of the output's scale. The table
is printed when all are known.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import torchvision
import transformers
from comparing import assert_close, pictures, randomised, tokens
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.utils import logging

from visavis.engine.encoder import Encoder, load

IMAGES = 2
TABLE: list[tuple[str, str, str, float]] = []


@pytest.fixture(scope="module", autouse=True)
def printed(pytestconfig):
    """The table, past pytest's capture."""
    yield
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")
    terminal.write_line(f"\n{'model':<26} {'format':<34} {'peer':<14} max difference")
    for model, kind, peer, gap in TABLE:
        terminal.write_line(f"{model:<26} {kind:<34} {peer:<14} {gap:.1e}")


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "ViT-B-16"])
def test_openais_torchscript(openai_model_module, name, tmp_path):
    # OpenAI publishes traced archives in half precision; its own build_model makes the network from their state
    reference = open_clip.create_model(f"{name}-quickgelu")
    randomised(reference)
    state = {key: value for key, value in reference.state_dict().items() if key != "attn_mask"}
    peer = openai_model_module.build_model(state).eval()  # rounds weights to half precision
    path = tmp_path / "clip.pt"
    save_openai_like_archive(peer, reference.context_length, path)
    encoder = load(path)
    assert encoder.about["format"] == "openai in torchscript"
    compare_clip(encoder, peer.float(), "TorchScript, half precision", "OpenAI CLIP", name)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("RN50-quickgelu", ".pt"), ("RN101", ".safetensors"), ("ViT-B-32", ".bin"), ("ViT-B-16-plus-240", ".safetensors")],
)
def test_open_clips_files(name, suffix, tmp_path):
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
    compare_clip(load(f"{path}::{name}"), peer, f"{suffix}, named", "open_clip", name)


def test_open_clips_folder(tmp_path):
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
    compare_clip(encoder, peer, "folder", "open_clip", "ViT-B-32-quickgelu")


def test_hugging_faces_clip(tmp_path):
    logging.set_verbosity_error()
    peer = randomised(transformers.CLIPModel(transformers.CLIPConfig()))  # its defaults are ViT-B/32
    peer.save_pretrained(tmp_path)
    preprocessor = {"crop_size": 224, "size": {"shortest_edge": 224}, "do_center_crop": True, "resample": 3}
    mean_std = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**preprocessor, **mean_std}))
    encoder = load(tmp_path)
    images, texts = pictures(IMAGES, 224), tokens(encoder.model.config.text)
    with torch.inference_mode():
        gaps = [
            assert_close(encoder.model.encode_image(images), peer.get_image_features(images).pooler_output),
            assert_close(encoder.model.encode_text(texts), peer.get_text_features(texts).pooler_output),
            assert_close(encoder.model(images, texts), peer(input_ids=texts, pixel_values=images).logits_per_image),
        ]
    TABLE.append(("ViT-B-32", "folder", "transformers", max(gaps)))


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
def test_torchvisions_files(name, published, make, zipped, tmp_path):
    peer = randomised(make())
    path = tmp_path / "weights.pth"
    torch.save(peer.state_dict(), path, _use_new_zipfile_serialization=zipped)
    compare_classifier(
        load(f"{path}::{published}"), peer, f".pth, {'zip' if zipped else 'legacy'}", "torchvision", name
    )


@pytest.mark.parametrize(
    "name", ["resnet18.a1_in1k", "vit_base_patch16_224.augreg_in21k_ft_in1k", "deit_small_patch16_224.fb_in1k"]
)
def test_timms_folders(name, tmp_path):
    peer = randomised(timm.create_model(name, pretrained=False))
    timm.models.save_for_hf(peer, tmp_path)
    encoder = load(tmp_path)
    data = timm.data.resolve_model_data_config(peer)
    assert encoder.preprocessing.mean == tuple(data["mean"])
    assert encoder.preprocessing.interpolation == data["interpolation"]
    compare_classifier(encoder, peer, "folder", "timm", name.partition(".")[0])


def compare_clip(encoder: Encoder, peer: nn.Module, kind: str, library: str, name: str) -> None:
    """Image features, text features, logits and logit scale."""
    images, texts = pictures(IMAGES, encoder.image_size), tokens(encoder.model.config.text)
    with torch.inference_mode():
        gaps = [
            assert_close(encoder.model.encode_image(images), peer.encode_image(images)),
            assert_close(encoder.model.encode_text(texts), peer.encode_text(texts)),
            assert_close(encoder.model(images, texts), logits_of(peer, images, texts)),
        ]
    assert encoder.logit_scale == pytest.approx(float(peer.logit_scale.detach().exp()), rel=1e-6)
    TABLE.append((name, kind, library, max(gaps)))


def logits_of(peer: nn.Module, images: Tensor, texts: Tensor) -> Tensor:
    image_features = nn.functional.normalize(peer.encode_image(images), dim=-1)
    return peer.logit_scale.exp() * image_features @ nn.functional.normalize(peer.encode_text(texts), dim=-1).T


def compare_classifier(encoder: Encoder, peer: nn.Module, kind: str, library: str, name: str) -> None:
    images = pictures(IMAGES, encoder.image_size)
    with torch.inference_mode():
        gap = assert_close(encoder.model(images), peer(images))
    TABLE.append((name, kind, library, gap))


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
