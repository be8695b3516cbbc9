"""Our networks against live peers, layer by layer: they agree, and a planted difference is found in its place.

Each peer loads what `convert` wrote for it, through its adapter.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.engine.parts import parts_of
from visavis.inspection.difference.compare import compare_layers
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, build_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.convert import convert
from visavis.zoo.preprocess import Preprocess

TEXT = TextConfig(width=64, layers=2, heads=1, embed_dim=16)  # open_clip's tokenizer, so all its tokens
CONFIGS: dict[str, Config] = {
    "clip-vit": CLIPConfig(
        visual=CLIPViTConfig(image_size=32, patch_size=8, width=64, layers=3, heads=1, embed_dim=16), text=TEXT
    ),
    "clip-resnet": CLIPConfig(
        visual=CLIPResNetConfig(layers=(1, 2, 1, 1), width=16, image_size=64, embed_dim=16), text=TEXT
    ),
    "resnet": ResNetConfig(block="bottleneck", layers=(1, 2, 1, 1), image_size=64, num_classes=5),
    "vit": ViTConfig(image_size=32, patch_size=8, width=32, layers=3, heads=2, num_classes=5),
}
NAMES = {"open_clip": "open_clip/local-dir:{}", "timm": "timm/local-dir:{}", "hf": "hf/{}"}


def checkpoint_of(kind: str) -> Checkpoint:
    config = CONFIGS[kind]
    state = build_model(config, seed=0).state_dict()
    generator = torch.Generator().manual_seed(1)
    for name, tensor in state.items():
        if tensor.ndim == 1 and name.endswith("weight"):
            tensor.uniform_(0.5, 1.5, generator=generator)
    images = Preprocess(image_size=config.image_size, resize=config.image_size)
    return Checkpoint(config=config, preprocess=images, state=state)


def ours(checkpoint: Checkpoint) -> Encoder:
    state = {name: tensor.clone() for name, tensor in checkpoint.state.items()}
    return Encoder("ours", parts_of(dataclasses.replace(checkpoint, state=state)))


def theirs(checkpoint: Checkpoint, to: str, folder: Path) -> Encoder:
    if not folder.exists():
        convert(checkpoint, to, folder)  # type: ignore[arg-type]  # one of NAMES
    return load(NAMES[to].format(folder))


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("clip-vit", "open_clip"),
        ("clip-resnet", "open_clip"),
        ("resnet", "timm"),
        ("vit", "timm"),
        ("resnet", "hf"),
        ("vit", "hf"),
    ],
)
def test_every_layer_agrees(kind: str, to: str, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(kind)
    if to == "hf":  # where transformers cuts when a margin is odd
        images = dataclasses.replace(checkpoint.preprocess, crop_rounding="down")
        checkpoint = dataclasses.replace(checkpoint, preprocess=images)
    diff = compare_layers(ours(checkpoint), theirs(checkpoint, to, tmp_path / "weights"))
    assert diff.way == "layout"
    assert max(row.relative for row in diff.rows) <= 1e-5
    config = checkpoint.config
    tower = config.visual if isinstance(config, CLIPConfig) else config
    blocks = tower.layers if isinstance(tower.layers, int) else sum(tower.layers)
    text = config.text.layers if isinstance(config, CLIPConfig) else 0
    own = [row.layer for row in diff.rows if row.layer[-1].isdigit() and not row.layer.startswith("before")]
    numbered = [layer for layer in own if "resblocks" in layer or "layer" in layer]
    assert len(numbered) == blocks + text
    print(
        f"{kind:12} {to:10} {len(diff.rows):3} layers, largest difference {max(row.relative for row in diff.rows):.1e}"
    )


def test_an_activation_that_the_peer_was_told_wrong(tmp_path: Path) -> None:
    checkpoint, folder = checkpoint_of("clip-vit"), tmp_path / "weights"
    convert(checkpoint, "open_clip", folder)
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text("utf-8"))
    config["model_cfg"]["quick_gelu"] = True
    file.write_text(json.dumps(config), "utf-8")
    diff = compare_layers(ours(checkpoint), theirs(checkpoint, "open_clip", folder))
    for tower in ("image", "text"):
        first = diff.first(tower)  # type: ignore[arg-type]  # of the two
        assert first is not None
        assert first.layer.endswith("resblocks.0.mlp.c_proj")
        assert "the activation differs, GELU against QuickGELU" in diff.causes[tower]  # type: ignore[index]  # likewise


def test_a_fault_in_one_block_of_a_peer(tmp_path: Path) -> None:
    checkpoint = checkpoint_of("vit")
    peer = theirs(checkpoint, "timm", tmp_path / "weights")
    with torch.no_grad():
        peer.model.blocks[2].norm2.weight.mul_(1.2)  # type: ignore[operator,union-attr,index]  # timm's, untyped
    diff = compare_layers(ours(checkpoint), peer)
    first = diff.first("image")
    assert first is not None
    assert first.layer == "transformer.resblocks.2.ln_2"
    assert "weights differ" in diff.causes["image"]


def test_two_peers_of_different_libraries(tmp_path: Path) -> None:
    checkpoint = checkpoint_of("vit")
    timm, hf = theirs(checkpoint, "timm", tmp_path / "timm"), theirs(checkpoint, "hf", tmp_path / "hf")
    diff = compare_layers(timm, hf)
    assert diff.first("image") is None or diff.first("image").layer == "pixels"  # type: ignore[union-attr]  # just looked
    assert sum("resblocks" in row.layer for row in diff.rows) == 1 + 3
