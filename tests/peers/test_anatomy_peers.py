"""Networks of torchvision, timm and open_clip, opened as modules and by name, against ours and against torch's counter.

Modules are built on the meta device: anatomies need no weights.
"""

from __future__ import annotations

import csv
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import torchvision
from adapting import TOWERS, hugging_face_pair, saved_open_clip
from comparing import randomised
from timm.models import save_for_hf
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from visavis.engine.load import load
from visavis.inspection.anatomy.anatomy import Anatomy, inspect

with (Path(__file__).parents[1] / "models" / "architectures.csv").open() as file:
    PUBLISHED = {row["name"]: row for row in csv.DictReader(file)}


def built(library: str, name: str) -> nn.Module:
    with torch.device("meta"):
        if library == "torchvision":  # GoogLeNet would warn of how it makes its weights
            return torchvision.models.get_model(name, **{"init_weights": False} if name == "googlenet" else {})
        if library == "timm":
            return timm.create_model(name)
        return open_clip.CLIP(**open_clip.get_model_config(name))


def steps(anatomy: Anatomy) -> list[tuple[str, str, int]]:
    return [(part.role, part.title, part.blocks) for part in anatomy.stages]


def flop_counter(network: nn.Module, side: int) -> int:
    """Half of what torch counts while the network's copy without numbers runs."""
    images = torch.empty(1, 3, side, side, device="meta")
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network.eval()(images)
    return counter.get_total_flops() // 2


SAME = [  # library, its name, ours
    *(("torchvision", name, name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")),
    ("timm", "resnet50", "resnet50"),
    ("torchvision", "vit_b_16", "vit_base_patch16_224"),
    ("torchvision", "vit_b_32", "vit_base_patch32_224"),
    ("timm", "vit_base_patch16_224", "vit_base_patch16_224"),
]


@pytest.mark.parametrize(("library", "theirs", "ours"), SAME)
def test_their_module_is_ours_layer_by_layer(library, theirs, ours):
    """Totals, steps, famous numbers, and every layer with weights: shape, parameters, cost, field, stride, centre."""
    peer, own = inspect(built(library, theirs)), inspect(ours)
    assert (peer.params, peer.macs) == (own.params, own.macs)
    assert peer.params == int(PUBLISHED[ours]["params_total"])
    assert steps(peer) == steps(own)
    assert [(part.output_shape, part.params, part.macs) for part in peer.stages] == [
        (part.output_shape, part.params, part.macs) for part in own.stages
    ]
    if "resnet" in ours:
        assert [(rule.number, rule.sum, rule.says) for rule in peer.rules] == [
            (rule.number, rule.sum, rule.says) for rule in own.rules
        ]
        rows = [
            anatomy.layers[anatomy.layers["kind"].isin(["Conv2d", "Linear", "BatchNorm2d", "MaxPool2d"])]
            for anatomy in (peer, own)
        ]
        shown = ["kind", "settings", "output_shape", "params", "macs", "receptive_field", "stride", "centre"]
        assert rows[0][shown].reset_index(drop=True).equals(rows[1][shown].reset_index(drop=True))


@pytest.mark.parametrize("name", ["RN50", "RN101", "RN50x4", "ViT-B-32", "ViT-B-16", "ViT-L-14"])
def test_open_clips_towers(name):
    """Its attention pooling asks a query for every place: as many multiply-accumulates more as our rule says."""
    module = built("open_clip", name)
    peer, own = inspect(module.visual, image_size=int(PUBLISHED[name]["image_size"])), inspect(name)
    assert peer.params == own.towers[0].root.params == int(PUBLISHED[name]["params_image"])
    assert peer.macs / 1e9 == pytest.approx(float(PUBLISHED[name]["gmacs_image"]), rel=0.005)
    saved = sum(rule.number for rule in own.rules if "queries only the mean" in rule.says)
    assert peer.macs == own.macs + saved
    assert bool(saved) == name.startswith("RN")
    assert steps(peer) == steps(own)
    assert sum(parameter.numel() for parameter in module.parameters()) == own.params


def test_bigg():
    module = built("open_clip", "ViT-bigG-14")
    assert inspect("ViT-bigG-14").params == sum(parameter.numel() for parameter in module.parameters())
    assert inspect("ViT-bigG-14").macs == inspect(module.visual).macs


OTHERS = [  # published depths of stages
    ("torchvision", "convnext_tiny", (3, 3, 9, 3)),
    ("timm", "convnext_tiny", (3, 3, 9, 3)),
    ("torchvision", "swin_t", (2, 2, 6, 2)),
    ("timm", "swin_tiny_patch4_window7_224", (2, 2, 6, 2)),
    ("torchvision", "densenet121", (6, 12, 24, 16)),
    ("timm", "resnetv2_50", (3, 4, 6, 3)),
    ("timm", "seresnet50", (3, 4, 6, 3)),
    ("timm", "mixer_b16_224", (12,)),
    ("timm", "deit_tiny_patch16_224", (12,)),
    ("torchvision", "googlenet", None),
    ("torchvision", "vgg11_bn", None),
    ("torchvision", "mobilenet_v3_small", None),
    ("torchvision", "maxvit_t", None),
    ("torchvision", "shufflenet_v2_x1_0", None),
]


@pytest.mark.parametrize(("library", "name", "depths"), OTHERS, ids=[f"{one[0]}-{one[1]}" for one in OTHERS])
def test_networks_of_no_family_of_ours(library, name, depths):
    module = built(library, name)
    anatomy = inspect(module)
    root = anatomy.towers[0].root
    assert anatomy.macs == flop_counter(module, 224)
    assert anatomy.params == root.params == sum(parameter.numel() for parameter in module.parameters())
    assert anatomy.kinds["Conv2d"] == sum(type(inner) is nn.Conv2d for inner in module.modules())
    assert not [note for note in anatomy.notes if "image size" not in note]
    if depths is not None:
        assert tuple(part.blocks for part in anatomy.stages if part.role == "stage") == depths


def test_windows_have_no_receptive_field_and_gates_see_all():
    assert inspect(built("torchvision", "swin_t")).towers[0].root.receptive_field is None
    gated = inspect(built("timm", "seresnet50"))
    assert not [rule for rule in gated.rules if "Araujo" in rule.source]


def test_idle_heads_of_training():
    """GoogLeNet's two further classifiers never run in use; they are there, with their parameters."""
    with torch.device("meta"):
        module = torchvision.models.googlenet(aux_logits=True, init_weights=False)
    anatomy = inspect(module)
    idle = [layer for layer in anatomy.towers[0].root.children if layer.output_shape is None]
    assert [layer.name for layer in idle] == ["aux1", "aux2"]
    assert all(layer.macs is None and layer.params > 3_000_000 for layer in idle)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, openai_tokenizer_module) -> dict[str, str]:
    """Names of small networks of each library, in folders."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("timm", "open_clip", "clip", "siglip")}
    save_for_hf(randomised(timm.create_model("test_vit", num_classes=3)), made["timm"], safe_serialization=True)
    saved_open_clip(made["open_clip"], TOWERS["clip-vit"], {})
    for kind in ("clip", "siglip"):
        hugging_face_pair(kind, made[kind], openai_tokenizer_module)
    return {
        "timm": f"timm/local-dir:{made['timm']}",
        "open_clip": f"open_clip/local-dir:{made['open_clip']}",
        "clip": f"hf/{made['clip']}",
        "siglip": f"hf/{made['siglip']}",
    }


@pytest.mark.parametrize("library", ["timm", "open_clip", "clip", "siglip"])
def test_by_an_adapters_name(library, folders):
    """A name, and the encoder with weights behind it, are one network with all its parameters."""
    encoder = load(folders[library])
    by_name, by_encoder = inspect(folders[library]), inspect(encoder)
    assert by_name.layers.equals(by_encoder.layers)
    assert by_name.name == folders[library]
    assert by_name.params == sum(parameter.numel() for parameter in encoder.model.parameters())
    assert by_name.macs > 0
    assert [tower.kind for tower in by_name.towers] == (["image", "text"] if encoder.has_text else ["image"])
    assert (by_name.text_macs or 0) > 0 or not encoder.has_text
    for tower in by_name.towers:
        (blocks,) = (part.blocks for part in tower.parts if part.role == "stage")
        assert blocks == (6 if library == "timm" else 2)


@pytest.mark.parametrize("name", ["timm/resnet18", "open_clip/RN50"])
def test_published_names_need_no_weights(name):
    own = inspect(name.rpartition("/")[2])
    anatomy = inspect(name)
    assert anatomy.params == own.params
    assert steps(anatomy) == steps(own)
