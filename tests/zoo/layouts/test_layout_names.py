"""Names, shapes and bits of every peer's tensors; test_layouts_parity.py asks the peers themselves."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visavis.errors import VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, build_model, family_of
from visavis.zoo.layouts.layout import Layout
from visavis.zoo.layouts.names import compare_names, find_layout, from_visavis, to_visavis
from visavis.zoo.layouts.reading import read_config
from visavis.zoo.layouts.tables import LAYOUTS

TEXT = TextConfig(context_length=5, vocab_size=9, width=8, layers=2, heads=2, embed_dim=6)
VIT = ViTConfig(image_size=6, patch_size=2, width=8, layers=2, heads=2, num_classes=3)
CLIP_VIT = CLIPConfig(
    visual=CLIPViTConfig(image_size=6, patch_size=3, width=12, layers=1, heads=3, embed_dim=6, mlp_width=20), text=TEXT
)
CLIP_RESNET = CLIPConfig(visual=CLIPResNetConfig(layers=(1, 2, 1, 1), width=4, image_size=64, embed_dim=6), text=TEXT)
RESNETS = (
    ResNetConfig(block="basic", layers=(1, 2, 1, 1), width=4, num_classes=3),
    ResNetConfig(block="bottleneck", layers=(1, 2, 1, 1), width=8, num_classes=3),
    ResNetConfig(block="bottleneck", layers=(1, 1, 1, 2), width=8, groups=2, width_per_group=24, num_classes=0),
)
CONFIGS: tuple[Config, ...] = (VIT, dataclasses.replace(VIT, num_classes=0), CLIP_VIT, CLIP_RESNET, *RESNETS)

# Hand-written from published files: ViT-B-32.pt (OpenAI), openai/clip-vit-base-patch32, microsoft/resnet-50,
# google/vit-base-patch16-224, timm's and torchvision's vit_base_patch16, ViT-B_16.npz.
GOLDEN = {
    "openai": {
        "text.transformer.resblocks.1.attn.in_proj_weight": ("transformer.resblocks.1.attn.in_proj_weight",),
        "text.text_projection": ("text_projection",),
        "visual.transformer.resblocks.0.mlp.c_fc.bias": ("visual.transformer.resblocks.0.mlp.c_fc.bias",),
    },
    "hf-clip": {
        "text.transformer.resblocks.1.attn.in_proj_bias": (
            "text_model.encoder.layers.1.self_attn.q_proj.bias",
            "text_model.encoder.layers.1.self_attn.k_proj.bias",
            "text_model.encoder.layers.1.self_attn.v_proj.bias",
        ),
        "visual.ln_pre.weight": ("vision_model.pre_layrnorm.weight",),
        "visual.conv1.weight": ("vision_model.embeddings.patch_embedding.weight",),
        "visual.proj": ("visual_projection.weight",),
        "text.text_projection": ("text_projection.weight",),
        "text.ln_final.bias": ("text_model.final_layer_norm.bias",),
        "visual.positional_embedding": ("vision_model.embeddings.position_embedding.weight",),
        "visual.transformer.resblocks.0.attn.out_proj.weight": (
            "vision_model.encoder.layers.0.self_attn.out_proj.weight",
        ),
        "logit_scale": ("logit_scale",),
    },
    "hf-resnet": {
        "conv1.weight": ("resnet.embedder.embedder.convolution.weight",),
        "layer3.1.bn2.running_var": ("resnet.encoder.stages.2.layers.1.layer.1.normalization.running_var",),
        "layer1.0.downsample.1.bias": ("resnet.encoder.stages.0.layers.0.shortcut.normalization.bias",),
        "fc.weight": ("classifier.1.weight",),
    },
    "timm-vit": {
        "transformer.resblocks.1.attn.in_proj_weight": ("blocks.1.attn.qkv.weight",),
        "ln_post.weight": ("norm.weight",),
        "transformer.resblocks.1.mlp.c_proj.bias": ("blocks.1.mlp.fc2.bias",),
        "class_embedding": ("cls_token",),
    },
    "torchvision-vit": {
        "transformer.resblocks.1.attn.in_proj_weight": (
            "encoder.layers.encoder_layer_1.self_attention.in_proj_weight",
        ),
        "transformer.resblocks.1.mlp.c_proj.bias": ("encoder.layers.encoder_layer_1.mlp.3.bias",),
        "head.weight": ("heads.head.weight",),
    },
    "hf-vit": {
        "transformer.resblocks.1.attn.out_proj.weight": ("vit.encoder.layer.1.attention.output.dense.weight",),
        "transformer.resblocks.1.mlp.c_proj.weight": ("vit.encoder.layer.1.output.dense.weight",),
        "transformer.resblocks.0.ln_2.bias": ("vit.encoder.layer.0.layernorm_after.bias",),
        "head.bias": ("classifier.bias",),
    },
    "npz-vit": {
        "transformer.resblocks.1.attn.out_proj.weight": (
            "Transformer/encoderblock_1/MultiHeadDotProductAttention_1/out/kernel",
        ),
        "transformer.resblocks.1.ln_2.weight": ("Transformer/encoderblock_1/LayerNorm_2/scale",),
        "positional_embedding": ("Transformer/posembed_input/pos_embedding",),
        "conv1.weight": ("embedding/kernel",),
        "ln_post.bias": ("Transformer/encoder_norm/bias",),
    },
}


def cases() -> list[tuple[Layout, Config]]:
    """Every layout in every spelling with every network that it can hold."""
    return [
        (dataclasses.replace(layout, renames=renames), config)
        for layout in LAYOUTS.values()
        for renames in (layout.renames, *layout.spellings)
        for config in CONFIGS
        if family_of(config) in layout.families
    ]


@pytest.mark.parametrize(("layout", "config"), cases(), ids=lambda value: getattr(value, "name", type(value).__name__))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_there_and_back_is_exact(layout, config, dtype):
    state = random_state(config, dtype)
    theirs = from_visavis(layout, state, config)
    assert compare_names(layout, theirs, config).fits
    back = to_visavis(layout, theirs, config)
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor), name


@pytest.mark.parametrize(("layout", "config"), cases(), ids=lambda value: getattr(value, "name", type(value).__name__))
def test_a_file_is_known_by_its_names(layout, config):
    """In the very spelling; only what has no name of its own is called by another one, with the same names."""
    theirs = from_visavis(layout, random_state(config), config)
    found = find_layout(theirs)
    assert {name: found.names(name) for name in random_state(config)} == {
        name: layout.names(name) for name in random_state(config)
    }
    if layout.name != "visavis":
        assert found.name == layout.name


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 4),
    heads=st.integers(1, 3),
    layers=st.integers(1, 3),
    classes=st.integers(0, 4),
    grid=st.integers(1, 3),
    patch_size=st.integers(1, 3),
    mlp_width=st.one_of(st.none(), st.integers(1, 9)),
    name=st.sampled_from([name for name, layout in LAYOUTS.items() if "supervised-vit" in layout.families]),
)
def test_any_vit_is_read_back(width, heads, layers, classes, grid, patch_size, mlp_width, name):
    config = ViTConfig(
        image_size=grid * patch_size,
        patch_size=patch_size,
        width=width * heads,
        layers=layers,
        heads=heads,
        num_classes=classes,
        mlp_width=None if mlp_width == 4 * width * heads else mlp_width,
        eps=LAYOUTS[name].eps,
    )
    state = random_state(config)
    theirs = from_visavis(LAYOUTS[name], state, config)
    assert read_config(LAYOUTS[name], theirs, config=config) == config
    back = to_visavis(find_layout(theirs), theirs, config)
    assert all(torch.equal(back[key], state[key]) for key in state)


@pytest.mark.parametrize(
    ("layout", "ours", "theirs"), [(key, ours, names) for key, table in GOLDEN.items() for ours, names in table.items()]
)
def test_golden_names(layout, ours, theirs):
    assert LAYOUTS[layout].names(ours) == theirs


def test_flax_keeps_heads_apart():
    """By hand: width 4, 2 heads of 2. Output channel 3 is the second channel of the second head."""
    config = ViTConfig(image_size=2, patch_size=2, width=4, layers=1, heads=2, num_classes=3)
    state = random_state(config)
    weight = state["transformer.resblocks.0.attn.in_proj_weight"]  # query, key, value below each other, [12, 4]
    theirs = from_visavis(LAYOUTS["npz-vit"], state, config)
    block = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1"
    assert theirs[f"{block}/key/kernel"].shape == (4, 2, 2)
    assert theirs[f"{block}/key/kernel"][0, 1, 1] == weight[4 + 3, 0]
    assert theirs[f"{block}/value/bias"][1, 0] == state["transformer.resblocks.0.attn.in_proj_bias"][8 + 2]
    assert theirs[f"{block}/out/kernel"][1, 0, 2] == state["transformer.resblocks.0.attn.out_proj.weight"][2, 2]
    assert theirs["embedding/kernel"][0, 1, 2, 3] == state["conv1.weight"][3, 2, 0, 1]
    assert theirs["head/kernel"][3, 1] == state["head.weight"][1, 3]
    assert theirs["cls"].shape == (1, 1, 4)


def test_renaming_copies_nothing():
    state = random_state(CLIP_VIT)
    theirs = from_visavis(LAYOUTS["openai"], state, CLIP_VIT)
    back = to_visavis(LAYOUTS["openai"], theirs, CLIP_VIT)
    assert all(back[name].data_ptr() == tensor.data_ptr() for name, tensor in state.items())
    split = from_visavis(LAYOUTS["hf-clip"], state, CLIP_VIT)
    fused = state["text.transformer.resblocks.0.attn.in_proj_weight"]
    query = split["text_model.encoder.layers.0.self_attn.q_proj.weight"]
    assert query.data_ptr() == fused.data_ptr()


def test_what_does_not_fit_is_named_with_the_nearest():
    tensors = from_visavis(LAYOUTS["timm-vit"], random_state(VIT), VIT)
    tensors["nrom.weight"] = tensors.pop("norm.weight")
    tensors["head.weight"] = torch.zeros(3, 9)
    tensors["blocks.0.mlp.fc1.bias"] = tensors["blocks.0.mlp.fc1.bias"].to(torch.int8)
    report = compare_names(LAYOUTS["timm-vit"], tensors, VIT)
    assert not report.fits
    assert report.missing == ("norm.weight",)
    assert report.unexpected == ("nrom.weight",)
    assert {name for name, _, _ in report.wrong} == {"head.weight", "blocks.0.mlp.fc1.bias"}
    with pytest.raises(VisavisError) as error:
        to_visavis(LAYOUTS["timm-vit"], tensors, VIT)
    said = str(error.value)
    assert "1 missing: 'norm.weight' (nearest in the file: 'nrom.weight')" in said
    assert "1 unexpected: 'nrom.weight' (nearest expected: 'norm.weight')" in said
    assert "'head.weight' must be float32 [3, 8], but is float32 [3, 9]" in said
    assert "'blocks.0.mlp.fc1.bias' must be float32 [32], but is int8 [32]" in said


def test_only_the_first_ten_are_named():
    tensors = from_visavis(LAYOUTS["timm-vit"], random_state(VIT), VIT)
    extra = {f"extra.{number}": torch.zeros(1) for number in range(30)}
    with pytest.raises(VisavisError, match=r"30 unexpected: .*'extra\.9'.* \.\.\."):
        to_visavis(LAYOUTS["timm-vit"], {**tensors, **extra}, VIT)


@pytest.mark.parametrize(
    ("layout", "config", "name"),
    [
        ("openai", CLIP_VIT, "attn_mask"),
        ("openai", CLIP_VIT, "logit_bias"),
        ("openai", CLIP_RESNET, "context_length"),
        ("hf-clip", CLIP_VIT, "text_model.embeddings.position_ids"),
        ("hf-vit", VIT, "vit.pooler.dense.weight"),
    ],
)
def test_what_is_not_needed_is_dropped_and_told(layout, config, name):
    state = random_state(config)
    tensors = {**from_visavis(LAYOUTS[layout], state, config), name: torch.zeros(2)}
    report = compare_names(LAYOUTS[layout], tensors, config)
    assert report.fits
    assert [dropped.name for dropped in report.dropped] == [name]
    assert report.dropped[0].meaning
    assert to_visavis(LAYOUTS[layout], tensors, config).keys() == state.keys()


def test_counters_of_batch_norms_may_be_missing():
    config = RESNETS[0]
    tensors = {name: value for name, value in random_state(config).items() if "num_batches" not in name}
    report = compare_names(LAYOUTS["torchvision-resnet"], tensors, config)
    assert report.fits
    assert "layer1.0.bn1.num_batches_tracked" in report.filled
    state = to_visavis(LAYOUTS["torchvision-resnet"], tensors, config)
    assert state["bn1.num_batches_tracked"].dtype == torch.int64
    build_model(config).load_state_dict(state, strict=True)


def test_a_logit_scale_may_have_an_axis():
    state = random_state(CLIP_VIT)
    tensors = {**from_visavis(LAYOUTS["openai"], state, CLIP_VIT), "logit_scale": state["logit_scale"][None]}
    assert torch.equal(to_visavis(LAYOUTS["openai"], tensors, CLIP_VIT)["logit_scale"], state["logit_scale"])


@pytest.mark.parametrize(
    ("layout", "config", "name", "shows"),
    [
        ("timm-vit", VIT, "dist_token", "distilled"),
        ("timm-vit", VIT, "head_dist.weight", "distilled"),
        ("timm-vit", VIT, "fc_norm.weight", "averaging"),
        ("timm-vit", VIT, "blocks.0.ls1.gamma", "layer scale"),
        ("timm-vit", VIT, "reg_token", "register"),
        ("timm-vit", VIT, "blocks.1.attn.q_norm.weight", "queries and keys"),
        ("timm-vit", VIT, "norm_pre.weight", "image tower of a CLIP"),
        ("timm-vit", VIT, "pre_logits.fc.weight", "representation"),
        ("torchvision-vit", VIT, "heads.pre_logits.weight", "representation"),
        ("npz-vit", VIT, "pre_logits/kernel", "representation"),
        ("npz-vit", VIT, "MAPHead_0/probe", "attention pooling"),
        ("hf-vit", VIT, "vit.embeddings.register_tokens", "register"),
        ("openai", CLIP_VIT, "visual.attn_pool.query", "CoCa"),
        ("openai", CLIP_VIT, "visual.transformer.resblocks.0.ls_1.gamma", "layer scale"),
        ("openai", CLIP_VIT, "text_projection.bias", "bias"),
        ("torchvision-resnet", RESNETS[1], "layer1.0.se.fc1.weight", "squeeze"),
        ("torchvision-resnet", RESNETS[1], "layer1.0.downsample.2.weight", "ResNet-D"),
        ("torchvision-resnet", RESNETS[1], "attnpool.positional_embedding", "image tower of a CLIP"),
    ],
)
def test_other_networks_are_refused(layout, config, name, shows):
    tensors = {**from_visavis(LAYOUTS[layout], random_state(config), config), name: torch.zeros(1)}
    with pytest.raises(VisavisError, match=shows) as error:
        read_config(find_layout(tensors), tensors, config=config)
    assert repr(name) in str(error.value)
    with pytest.raises(VisavisError, match="1 unexpected"):
        to_visavis(LAYOUTS[layout], tensors, config)


def test_unknown_names_are_told():
    with pytest.raises(VisavisError) as error:
        find_layout({"model.layers.0.weight": torch.zeros(1), "lm_head.weight": torch.zeros(1)})
    assert "'model.layers.0.weight', 'lm_head.weight'" in str(error.value)
    assert "'blocks.0.norm2.weight'" in str(error.value)
    with pytest.raises(VisavisError, match="begins with nothing"):
        find_layout({})


def test_absurd_names_take_no_time():
    tensors = from_visavis(LAYOUTS["timm-vit"], random_state(VIT), VIT)
    tensors.pop("norm.weight")
    absurd = {**tensors, "n" * 1_000_000: torch.zeros(1), **{f"norm.{n}": torch.zeros(1) for n in range(20_000)}}
    with pytest.raises(VisavisError, match="20001 unexpected") as error:
        to_visavis(LAYOUTS["timm-vit"], absurd, VIT)
    assert len(str(error.value)) < 5000


def random_state(config: Config, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Numbers that are all different, whole ones where whole ones belong."""
    state = build_model(config).state_dict()
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(tensor.shape, generator=generator).to(dtype)
        if tensor.is_floating_point()
        else torch.tensor(len(name))
        for name, tensor in state.items()
    }
