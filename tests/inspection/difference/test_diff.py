"""Two encoders layer by layer: a planted difference must be found where it is, and named."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from visavis.engine.encoder import Encoder
from visavis.engine.parts import parts_of
from visavis.errors import UsageError
from visavis.inspection.difference.compare import compare_layers
from visavis.inspection.difference.probes import without_batch
from visavis.models.clip import CLIPConfig
from visavis.models.vit import VisionTransformer, embed_patches
from visavis.zoo.architectures import with_activation

KINDS = ("resnet", "vit", "clip-resnet", "clip-vit")
BLOCK = "visual.transformer.resblocks"


@pytest.fixture
def encoder(trained):
    """An encoder of a kind, whose tensors belong to it alone; `plant` changes them."""

    def make(kind, plant=lambda state: None, name="", **changes):
        checkpoint = trained(kind, **changes)
        state = {key: value.clone() for key, value in checkpoint.state.items()}
        plant(state)
        return Encoder(name or f"a {kind}", parts_of(dataclasses.replace(checkpoint, state=state)))

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_identical_networks_agree_bit_by_bit(encoder, kind):
    diff = compare_layers(encoder(kind), encoder(kind))
    assert all((row.max_abs, row.relative) == (0, 0) for row in diff.rows)
    assert all(row.cosine == pytest.approx(1) for row in diff.rows)
    assert not diff.causes
    assert diff.first("image") is None
    towers = {"image", "text"} if kind.startswith("clip") else {"image"}
    assert {row.tower for row in diff.rows} == set(diff.verdict) == towers
    assert all("agree" in said for said in diff.verdict.values())


def test_stages_in_their_order(encoder):
    layers = [row.layer for row in compare_layers(encoder("vit"), encoder("vit")).rows]
    blocks = [f"transformer.resblocks.{number}" for number in range(3)]
    assert layers == ["pixels", "conv1", f"before {blocks[0]}", *blocks, "ln_post", "features", "features of length 1"]


def test_quickgelu_against_gelu(encoder, trained):
    quick = with_activation(trained("clip-vit").config, "quickgelu")
    diff = compare_layers(encoder("clip-vit"), encoder("clip-vit", config=quick))
    assert diff.first("image").layer == f"{BLOCK}.0.mlp.activation"
    assert diff.first("text").layer == "text.transformer.resblocks.0.mlp.activation"
    for cause in diff.causes.values():
        assert "c_fc before it agrees and the weights are equal" in cause
        assert "the activation differs, GELU against QuickGELU" in cause


def test_differences_by_hand(encoder):
    # conv1 of all zeros but a bias: 2 in one network and 3 in the other, so 1 apart, a third of the largest, cosine 1.
    def filled(value):
        def plant(state):
            state["conv1.weight"].zero_()
            state["conv1.bias"].fill_(value)

        return plant

    row = compare_layers(encoder("vit", filled(2.0)), encoder("vit", filled(3.0))).first("image")
    assert (row.layer, row.shape, row.max_abs) == ("conv1", (16, 32), 1.0)
    assert row.relative == pytest.approx(1 / 3)
    assert row.cosine == pytest.approx(1)


@pytest.mark.parametrize("part", ["ln_1", "attn.out_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"])
def test_a_perturbed_block_is_found_there(encoder, part):
    layer = f"{BLOCK}.3.{part}"
    diff = compare_layers(encoder("clip-vit"), encoder("clip-vit", lambda state: state[f"{layer}.weight"].mul_(1.1)))
    assert diff.first("image").layer == layer
    assert "weights differ" in diff.causes["image"]
    stages = [row.layer for row in diff.rows if row.tower == "image" and row.stage and row.relative > 0]
    assert stages[0] == f"{BLOCK}.3"
    assert diff.first("text") is None


def test_queries_and_heads(encoder, trained):
    planted = encoder("clip-vit", lambda state: state[f"{BLOCK}.1.attn.in_proj_weight"][:32].mul_(1.5))
    diff = compare_layers(encoder("clip-vit"), planted)
    assert diff.first("image").layer == f"{BLOCK}.1.attn.out_proj"
    assert "the weights of queries, keys and values" in diff.causes["image"]
    config = trained("clip-vit").config
    other = dataclasses.replace(config, visual=dataclasses.replace(config.visual, heads=4))
    diff = compare_layers(encoder("clip-vit"), encoder("clip-vit", config=other))
    assert diff.first("image").layer == f"{BLOCK}.0.attn.out_proj"
    assert "2 heads against 4" in diff.causes["image"]


def test_positions(encoder):
    diff = compare_layers(encoder("vit"), encoder("vit", lambda state: state["positional_embedding"].mul_(0.5)))
    assert diff.first("image").layer == "before transformer.resblocks.0"
    assert "conv1 agrees: look at the position embedding and the class token" in diff.causes["image"]


def test_the_projection(encoder):
    diff = compare_layers(
        encoder("clip-vit"), encoder("clip-vit", lambda state: state["text.text_projection"].mul_(-1))
    )
    assert diff.first("image") is None
    assert diff.first("text").layer == "features"
    assert "text.ln_final agrees" in diff.causes["text"]
    assert diff.first("text").cosine == pytest.approx(-1)


def test_another_interpolation_shows_in_the_pixels(encoder, trained):
    images = dataclasses.replace(trained("vit").preprocess, interpolation="bilinear")
    diff = compare_layers(encoder("vit"), encoder("vit", preprocess=images))
    assert diff.first("image").layer == "pixels"
    assert diff.causes["image"] == (
        "Preprocessing differs: interpolation bicubic against bilinear. On equal pixels they agree."
    )


def test_pixels_and_a_network_that_both_differ(encoder, trained):
    images = dataclasses.replace(trained("vit").preprocess, mean=(0.5, 0.5, 0.5))
    other = encoder("vit", lambda state: state["ln_post.bias"].add_(0.3), preprocess=images)
    cause = compare_layers(encoder("vit"), other).causes["image"]
    assert "mean (0.485, 0.456, 0.406) against (0.5, 0.5, 0.5)" in cause
    assert "On equal pixels they part too, at ln_post" in cause


def test_other_image_sizes(encoder, trained):
    images = dataclasses.replace(trained("resnet").preprocess, image_size=96, resize=96)
    config = dataclasses.replace(trained("resnet").config, image_size=96)
    diff = compare_layers(encoder("resnet"), encoder("resnet", preprocess=images, config=config))
    first = diff.first("image")
    assert (first.layer, math.isinf(first.relative)) == ("pixels", True)
    assert "image_size 64 against 96" in diff.causes["image"]
    assert "layer1.0" in diff.unmatched_a
    assert "avgpool" in [row.layer for row in diff.rows]  # which has no places, and can be compared
    assert "entirely" in diff.verdict["image"]


def test_the_eps_of_a_batch_norm(encoder):
    other = encoder("resnet")
    other.model.layer2[1].bn2.eps = 1e-2
    diff = compare_layers(encoder("resnet"), other)
    assert diff.first("image").layer == "layer2.1.bn2"
    assert diff.causes["image"] == "Its weights are equal, but not its settings: eps 1e-05 against 0.01."


@pytest.mark.parametrize("kind", KINDS)
def test_two_seeds_part_at_the_first_layer(trained, kind):
    from visavis.zoo.architectures import build_model

    pair = [
        Encoder(
            f"seed {seed}", parts_of(trained(kind, state=build_model(trained(kind).config, seed=seed).state_dict()))
        )
        for seed in (0, 1)
    ]
    diff = compare_layers(*pair)
    assert diff.first("image").layer in ("conv1", "visual.conv1")
    assert "weights differ" in diff.causes["image"]


def test_not_a_number_is_a_difference(encoder):
    diff = compare_layers(encoder("vit"), encoder("vit", lambda state: state["conv1.weight"].fill_(math.nan)))
    first = diff.first("image")
    assert (first.layer, first.relative) == ("conv1", math.inf)
    assert math.isnan(first.cosine)


def test_a_text_needs_text_towers(encoder):
    with pytest.raises(UsageError, match="'a vit' has no text tower"):
        compare_layers(encoder("vit"), encoder("vit"), text="a dog")


def test_the_given_image_and_text_are_used(encoder):
    def plant(state):  # only a token that DEFAULT_TEXT has not is another
        state["text.token_embedding.weight"][encoder("clip-vit").tokenize(["zebra"])[0][1]] += 1

    image = np.full((40, 50, 3), 255, np.uint8)
    assert compare_layers(encoder("clip-vit"), encoder("clip-vit", plant), image=image).first("text") is None
    diff = compare_layers(encoder("clip-vit"), encoder("clip-vit", plant), image=image, text="zebra")
    assert diff.first("text").layer == "text.token_embedding"


def test_other_families_are_refused(encoder):
    with pytest.raises(UsageError, match="a supervised-resnet and 'a vit' a supervised-vit: no layer of one"):
        compare_layers(encoder("resnet"), encoder("vit"))


def test_other_sizes_are_refused(encoder, trained):
    from visavis.zoo.architectures import build_model

    small = dataclasses.replace(trained("vit").config, width=16)
    other = encoder("vit", config=small, state=build_model(small, seed=0).state_dict())
    with pytest.raises(UsageError, match="sizes or parts differ"):
        compare_layers(encoder("vit"), other)


def test_more_blocks_are_named_as_unmatched(encoder, trained):
    config = trained("clip-vit").config
    assert isinstance(config, CLIPConfig)
    short = dataclasses.replace(config, visual=dataclasses.replace(config.visual, layers=2))
    state = {
        name: value
        for name, value in trained("clip-vit").state.items()
        if not name.startswith((f"{BLOCK}.2", f"{BLOCK}.3"))
    }
    diff = compare_layers(encoder("clip-vit"), encoder("clip-vit", config=short, state=state))
    assert diff.way == "layout"
    assert f"{BLOCK}.1" in [row.layer for row in diff.rows]
    assert diff.first("image").layer == "visual.ln_post"
    assert diff.unmatched_a == (f"{BLOCK}.2", f"{BLOCK}.3")
    assert diff.unmatched_b == ()
    assert f"{BLOCK}.2, {BLOCK}.3 without a partner" in diff.causes["image"]


class Stranger(nn.Module):
    """A ViT's own parts under names that nobody's checkpoints have."""

    def __init__(self, vit: VisionTransformer) -> None:
        super().__init__()
        self.stem, self.body, self.end = vit.conv1, nn.ModuleList(vit.transformer.resblocks), vit.ln_post
        self.first, self.where = vit.class_embedding, vit.positional_embedding

    def forward(self, images):
        x = embed_patches(images, self.stem, self.first) + self.where
        for block in self.body:
            x = block(x)
        return self.end(x)[:, 0]


def stranger(encoder, plant=lambda state: None):
    parts = parts_of(dataclasses.replace(encoder, state={name: value.clone() for name, value in encoder.state.items()}))
    plant(parts.model)
    model = Stranger(parts.model).eval()
    return Encoder("a stranger", dataclasses.replace(parts, model=model, image_tower=model, encode_image=model))


def test_an_unknown_network_is_matched_by_its_execution(encoder, trained):
    diff = compare_layers(encoder("vit"), stranger(trained("vit")))
    assert diff.way == "execution"
    assert diff.first("image") is None
    assert len([row for row in diff.rows if row.layer.endswith("mlp.c_fc")]) == 3
    assert diff.unmatched_a == ("ln_post", "head")  # of one token here and of all there; and never run


def test_a_fault_in_an_unknown_network(encoder, trained):
    @torch.no_grad()
    def plant(model):
        model.transformer.resblocks[1].mlp.c_fc.weight.mul_(1.2)

    diff = compare_layers(encoder("vit"), stranger(trained("vit"), plant))
    assert diff.first("image").layer == "transformer.resblocks.1.mlp.c_fc"
    assert "weights differ" in diff.causes["image"]


def test_layouts_of_outputs_become_one():
    places = torch.arange(24.0).reshape(1, 6, 4)  # [batch, tokens, width]
    same = [
        places,
        places.transpose(0, 1),  # [tokens, batch, width]
    ]
    assert all(np.array_equal(without_batch(tensor), places[0].numpy()) for tensor in same)
    maps = torch.arange(5 * 9.0).reshape(1, 5, 3, 3)  # [batch, channels, rows, columns]
    expected = maps[0].flatten(1).T.numpy()
    assert np.array_equal(without_batch(maps), expected)
    assert np.array_equal(without_batch(maps.permute(0, 2, 3, 1)), expected)  # channels last
    assert without_batch(torch.ones(1, 7, 1, 1)).shape == without_batch(torch.ones(1, 7)).shape == (7,)
