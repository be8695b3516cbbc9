"""The text tower, the dual encoder, and what holds for every family: seeds, and weights that are all drawn."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig, TextTransformer
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import build_model, config_from_dict, config_to_dict, family_of, outline_model

TEXT = TextConfig(context_length=9, vocab_size=20, width=16, layers=2, heads=2, embed_dim=6)
END = 19
TINY = {
    "supervised-resnet": ResNetConfig(block="bottleneck", layers=(1, 1, 1, 1), width=4, image_size=32, num_classes=3),
    "supervised-vit": ViTConfig(image_size=32, patch_size=8, width=16, layers=2, heads=2, num_classes=3),
    "clip-resnet": CLIPConfig(
        visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=4, image_size=32, embed_dim=6), text=TEXT
    ),
    "clip-vit": CLIPConfig(
        visual=CLIPViTConfig(image_size=32, patch_size=8, width=16, layers=2, heads=2, embed_dim=6), text=TEXT
    ),
}
every_family = pytest.mark.parametrize("config", TINY.values(), ids=TINY)


def text_tower() -> TextTransformer:
    model = TextTransformer(TEXT)
    model.init_weights(torch.Generator().manual_seed(0))
    return model.eval()


@given(
    words=st.lists(st.integers(0, 17), min_size=0, max_size=6),
    tail=st.lists(st.integers(0, 18), min_size=1, max_size=2),
)
@settings(max_examples=30, deadline=None)
def test_nothing_after_the_end_token_counts(words, tail):
    model = TOWER
    trimmed = torch.tensor([[18, *words, END]])
    longer = torch.tensor([[18, *words, END, *tail[: 9 - 2 - len(words)]]])
    torch.testing.assert_close(model(longer), model(trimmed), atol=1e-6, rtol=1e-5)


TOWER = text_tower()


def test_no_token_sees_a_later_one():
    seen: list[torch.Tensor] = []
    hook = TOWER.transformer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    one = torch.tensor([[18, 1, 2, 3, END, 0, 0, 0, 0]])
    other = torch.tensor([[18, 1, 2, 7, 8, END, 4, 4, 4]])
    TOWER(one), TOWER(other)
    hook.remove()
    torch.testing.assert_close(seen[0][:, :3], seen[1][:, :3], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(seen[0][:, 3], seen[1][:, 3], atol=1e-4)


def test_the_feature_is_read_at_the_end_token_and_words_before_it_matter():
    rows = torch.tensor([[18, 1, 2, END, 0], [18, 2, 1, END, 0], [18, 1, END, 0, 0]])
    features = TOWER(rows)
    assert features.shape == (3, 6)
    assert not torch.allclose(features[0], features[1], atol=1e-3)  # order
    assert not torch.allclose(features[0], features[2], atol=1e-3)  # length
    alone = torch.cat([TOWER(rows[index : index + 1, : int(rows[index].argmax()) + 1]) for index in range(3)])
    torch.testing.assert_close(features, alone, atol=1e-6, rtol=1e-5)


def test_initial_deviations_of_the_text_tower():
    model = TextTransformer(TextConfig(context_length=77, vocab_size=2000, width=256, layers=2, heads=4, embed_dim=64))
    model.init_weights(torch.Generator().manual_seed(0))
    # OpenAI's code: tokens 0.02, positions 0.01, projection width^-0.5 = 1/16
    for weight, std in (
        (model.token_embedding.weight, 0.02),
        (model.positional_embedding, 0.01),
        (model.text_projection, 1 / 16),
    ):
        assert float(weight.std()) == pytest.approx(std, rel=5 / math.sqrt(2 * weight.numel()))


def test_logits_are_scaled_cosines():
    model = build_model(TINY["clip-vit"], seed=0)
    assert isinstance(model, CLIP)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[18, 1, END], [18, 2, END], [18, 3, END]])
    image, text = model.encode_image(images), model.encode_text(tokens)
    logits = model(images, tokens)
    assert logits.shape == (2, 3)
    cosine = float(image[1] @ text[2] / (image[1].norm() * text[2].norm()))
    assert float(logits[1, 2]) == pytest.approx(cosine / 0.07, rel=1e-4)


def test_logit_scale_starts_at_one_over_0_07_and_stays_below_100():
    model = build_model(TINY["clip-resnet"], seed=3)
    assert isinstance(model, CLIP)
    assert float(model.logit_scale.exp()) == pytest.approx(1 / 0.07, rel=1e-6)
    model.logit_scale.fill_(9.0)
    model.clamp_logit_scale()
    assert float(model.logit_scale.exp()) == pytest.approx(100, rel=1e-5)
    model.logit_scale.fill_(-1.0)  # below is free
    model.clamp_logit_scale()
    assert float(model.logit_scale) == -1.0


def test_towers_must_share_a_space():
    with pytest.raises(ValueError, match="embed_dim is 6 for images and 7 for texts"):
        CLIPConfig(visual=TINY["clip-vit"].visual, text=dataclasses.replace(TEXT, embed_dim=7))


@pytest.mark.parametrize("field", ["context_length", "vocab_size", "width", "layers", "heads", "embed_dim"])
def test_impossible_text_towers(field):
    with pytest.raises(ValueError, match=f"{field} must be a whole number from 1 to 1048576, not 0"):
        dataclasses.replace(TEXT, **{field: 0})


@every_family
def test_equal_seeds_equal_weights(config):
    one, same, other = (build_model(config, seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name, value in one.items() if value.ndim > 1 and value.std() > 0]
    assert len(drawn) > 5
    assert all(not torch.equal(one[name], other[name]) for name in drawn)


@every_family
def test_building_leaves_torchs_own_generator_alone(config):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    build_model(config, seed=0)
    assert torch.equal(before, torch.get_rng_state())


@every_family
def test_every_weight_and_buffer_is_initialised(config):
    """Memory that nobody filled would hold whatever was there before."""
    model = outline_model(config).to_empty(device="cpu")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.fill_(math.nan if tensor.is_floating_point() else -7)
    model.init_weights(torch.Generator().manual_seed(0))
    left = [name for name, value in model.state_dict().items() if not bool((value.isfinite() & (value != -7)).all())]
    assert left == []


@every_family
def test_evaluation_mode_and_one_by_one(config):
    model = build_model(config, seed=0)
    assert not model.training
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    encode = model.encode_image if isinstance(model, CLIP) else model.features
    together = encode(images)
    alone = torch.cat([encode(images[index : index + 1]) for index in range(3)])
    assert together.shape == (3, config.embed_dim)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", TINY)
def test_configuration_to_plain_data_and_back(family):
    config = TINY[family]
    data = config_to_dict(config)
    assert data["family"] == family == family_of(config)
    assert config_from_dict(data) == config
