"""Other libraries' networks, measured: heard at their blocks, copied with their weights, parts taken away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import visavis
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight import ablations
from visavis.inspection.sight.attention_distance import Heard, heads_of, hear_attention
from visavis.inspection.sight.cka import compare_layers
from visavis.inspection.sight.taps import find_taps

open_clip = pytest.importorskip("open_clip")
timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 48}


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """A small CLIP and a small classifier of transformers, saved with their processors."""
    torch.manual_seed(0)
    clip, vit = tmp_path_factory.mktemp("clip"), tmp_path_factory.mktemp("vit")
    images = transformers.CLIPVisionConfig(**SMALL, image_size=32, patch_size=8, projection_dim=16)
    transformers.CLIPVisionModelWithProjection(images).save_pretrained(clip)
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(clip)
    transformers.ViTForImageClassification(
        transformers.ViTConfig(**SMALL, image_size=32, patch_size=8, num_labels=3)
    ).save_pretrained(vit)
    transformers.ViTImageProcessor(size=size).save_pretrained(vit)
    return {"hf-clip": f"hf/{clip}", "hf-vit": f"hf/{vit}"}


@pytest.fixture(scope="module")
def encoder_of(hugging_face):
    opened = {}

    def load(name):
        if name not in opened:
            opened[name] = (
                visavis.load(hugging_face[name]) if name in hugging_face else visavis.load(name, weights=None)
            )
        return opened[name]

    return load


NAMES = {  # name: blocks, of which those with attention; whether a skip is taken away per block
    "timm/resnet10t": (4, 0),
    "timm/vit_tiny_patch16_224": (12, 12),
    "open_clip/ViT-S-32": (12, 12),
    "hf-clip": (2, 2),
    "hf-vit": (2, 2),
}


def noise(encoder, count=2):
    side = encoder.image_size
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "counts"), NAMES.items())
def test_blocks_and_attention_are_heard(encoder_of, name, counts):
    encoder = encoder_of(name)
    root = inspect(encoder).towers[0].root
    taps = find_taps(encoder, root)
    assert len(taps) == counts[0] + 1
    assert [tap.depth for tap in taps] == sorted(tap.depth for tap in taps)
    heard, pixels = Heard(), noise(encoder)
    before = encoder.encode_pixels(pixels)
    hear_attention(encoder, pixels, heard)
    assert len(heads_of(heard)) == counts[1]
    assert {layer for layer, _ in heads_of(heard)} <= {layer.name for layer in root.walk()}
    assert not heard.unplaced
    assert torch.equal(encoder.encode_pixels(pixels), before)


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_taken_from_a_copy(encoder_of, name):
    encoder = encoder_of(name)
    root = inspect(encoder).towers[0].root
    taps, pixels = find_taps(encoder, root), noise(encoder)
    whole = encoder.encode_pixels(pixels)
    _, encode = encoder.image_copy()
    assert torch.equal(encode(pixels.contiguous(memory_format=torch.channels_last)), whole)
    last = taps[-1]
    changed = [ablations.without_skip(encoder, root.find(last.layer)), ablations.without_blocks(encoder, [last.module])]
    if NAMES[name][1]:
        heard = Heard()
        hear_attention(encoder, pixels, heard)
        changed += [
            ablations.without_head(encoder, heads_of(heard)[0][0], 0),
            ablations.shuffled_positions(encoder, 0),
            ablations.without_class_token(encoder, last),
        ]
    else:
        changed.pop()  # its last block changes the shape
    for encode in changed:
        assert not torch.allclose(encode(pixels), whole, atol=1e-5)
        assert torch.equal(encoder.encode_pixels(pixels), whole)


def test_a_skip_taken_from_timms_block_is_its_branch_alone(encoder_of):
    encoder = encoder_of("timm/vit_tiny_patch16_224")
    root, pixels = inspect(encoder).towers[0].root, noise(encoder)
    found = ablations.without_skip(encoder, root.find("blocks.11"))(pixels)
    model, block = encoder.model, encoder.model.blocks[11]
    read = []
    handle = block.register_forward_pre_hook(lambda _, given: read.append(given[0].clone()))
    encoder.trace_pixels(pixels)
    handle.remove()
    x = block.ls1(block.attn(block.norm1(read[0])))
    x = block.ls2(block.mlp(block.norm2(x)))
    torch.testing.assert_close(found, model.forward_head(model.norm(x), pre_logits=True))


def test_a_head_of_open_clips_is_what_its_projection_reads(encoder_of):
    encoder = encoder_of("open_clip/ViT-S-32")
    pixels = noise(encoder)
    found = ablations.without_head(encoder, "transformer.resblocks.3.attn", 2)(pixels)
    weight = encoder.model.visual.transformer.resblocks[3].attn.out_proj.weight
    intact, width = weight.clone(), weight.shape[1] // encoder.model.visual.transformer.resblocks[3].attn.num_heads
    weight[:, 2 * width : 3 * width] = 0
    torch.testing.assert_close(found, encoder.encode_pixels(pixels))
    weight.copy_(intact)


def test_layers_of_two_libraries_are_compared(encoder_of):
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(8)]
    a, b = encoder_of("hf-clip"), encoder_of("hf-vit")
    found = compare_layers(a, b, pictures, batch_size=8, seed=0)
    assert found.values.shape == (4, 4)
    assert np.isfinite(found.values).all()
