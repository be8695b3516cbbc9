"""Every architecture of the catalogue, written by a live peer in its own format and opened by `visavis.load`.

At full size where the weights take less than 2 GB, ViT-L/14 among them; the larger ones keep their widths, heads and
patches, and lose most of their blocks. One row of the table a network.
"""

from __future__ import annotations

import json
from typing import Any

import open_clip
import pytest
import timm
import torch
from comparing import classifier_gap, clip_gap, randomised
from safetensors.torch import save_file
from torch import nn

from visavis.engine.load import load
from visavis.models.clip import CLIPConfig
from visavis.zoo.architectures import ARCHITECTURES, QUICKGELU, outline_model

MOST_PARAMETERS = 480_000_000  # ViT-L/14 has 428 million
BLOCKS = 2  # that a larger network keeps in each tower
OWN = {"resnet-mini", "vit-mini-patch8", "RN-mini", "ViT-mini-8"}  # that only visavis has
PUBLISHED = [name for name in ARCHITECTURES if name not in OWN]
CLIPS = [name for name in PUBLISHED if isinstance(ARCHITECTURES[name], CLIPConfig)]
CLASSIFIERS = [name for name in PUBLISHED if name not in CLIPS]


@pytest.mark.parametrize("name", [*CLIPS, "RN50-quickgelu", "ViT-B-32-quickgelu", "ViT-H-14-quickgelu"])
def test_open_clip(name, tmp_path, tell):
    model, cut = open_clip.get_model_config(name), is_large(name)
    if cut:
        for tower in ("vision_cfg", "text_cfg"):
            layers = model[tower]["layers"]
            model[tower]["layers"] = [1] * len(layers) if isinstance(layers, list) else BLOCKS
    described = json.dumps({"model_cfg": model})
    peer = randomised(open_clip.CLIP(**model))  # which takes entries out of what it is given
    (tmp_path / "open_clip_config.json").write_text(described)
    save_file(dense(peer), tmp_path / "open_clip_model.safetensors")
    tell(called(name, cut), "open_clip's folder", "open_clip", clip_gap(load(tmp_path), peer))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_timm(name, tmp_path, tell):
    cut = is_large(name)
    sizes: dict[str, Any] = {"depth": BLOCKS} if cut else {}
    peer = randomised(timm.create_model(name, **sizes))
    timm.models.save_for_hf(peer, str(tmp_path), model_args=sizes, safe_serialization=True)
    tell(called(name, cut), "timm's folder", "timm", classifier_gap(load(tmp_path), peer))


def is_large(name: str) -> bool:
    outline = outline_model(ARCHITECTURES[name.removesuffix(QUICKGELU)])
    return sum(weight.numel() for weight in outline.parameters()) > MOST_PARAMETERS


def called(name: str, cut: bool) -> str:
    return f"{name}, {BLOCKS} blocks" if cut else name


def dense(peer: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in peer.state_dict().items()}
