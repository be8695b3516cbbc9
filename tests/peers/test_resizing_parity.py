"""Position embeddings for another image size, against the resizing of open_clip and of timm."""

from __future__ import annotations

from types import SimpleNamespace

import open_clip
import pytest
import timm
import torch
from comparing import classifier_gap, clip_gap
from timm.layers import resample_abs_pos_embed

from visavis.engine.load import load
from visavis.zoo.convert import convert
from visavis.zoo.finding import find_checkpoint
from visavis.zoo.resizing import resize_positions

GRIDS = [(7, 7), (7, 16), (16, 7), (14, 15), (3, 1), (24, 14)]


@pytest.mark.parametrize(("old", "new"), GRIDS)
def test_timm(old, new):
    positions = torch.randn(1 + old * old, 32, generator=torch.Generator().manual_seed(1))
    theirs = resample_abs_pos_embed(positions[None], [new, new], num_prefix_tokens=1)[0]
    torch.testing.assert_close(resize_positions(positions, new), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("old", "new"), GRIDS)
def test_open_clip(old, new):
    positions = torch.randn(1 + old * old, 32, generator=torch.Generator().manual_seed(2))
    state = {"visual.positional_embedding": positions}
    wanted = SimpleNamespace(visual=SimpleNamespace(grid_size=(new, new)))
    open_clip.model.resize_pos_embed(state, wanted)
    theirs = state["visual.positional_embedding"]
    torch.testing.assert_close(resize_positions(positions, new), theirs, rtol=0, atol=1e-6)


def test_a_whole_network_of_open_clip(tmp_path):
    folder = convert(find_checkpoint("ViT-mini-8.emoji"), "open_clip", tmp_path / "clip").path
    peer = open_clip.create_model(f"local-dir:{folder}", force_image_size=96).eval()
    encoder = load(folder, image_size=96)
    assert encoder.about["positions_resized"] == "8 x 8 to 12 x 12"
    clip_gap(encoder, peer)


def test_a_whole_network_of_timm(tmp_path):
    folder = convert(find_checkpoint("vit-mini-patch8.emoji"), "timm", tmp_path / "vit").path
    peer = timm.create_model(f"local-dir:{folder}", pretrained=True, img_size=48).eval()
    classifier_gap(load(folder, image_size=48), peer)
