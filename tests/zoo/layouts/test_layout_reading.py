"""The architecture read from tensors and the JSON beside them: what is known, what is asked for, what is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import ARCHITECTURES, family_of, find_config, outline_model
from visavis.zoo.layouts.names import find_layout, from_visavis
from visavis.zoo.layouts.reading import UnknownSettingError, read_config
from visavis.zoo.layouts.tables import LAYOUTS

VIT = ViTConfig(image_size=32, patch_size=16, width=192, layers=2, heads=3, num_classes=5)
RESNET = ResNetConfig(block="bottleneck", layers=(1, 1, 1, 1), num_classes=5)
OPEN_CLIP = {
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
}
HUGGING_FACE = {"text_config": {"hidden_act": "gelu"}, "vision_config": {"hidden_act": "gelu"}}


def outline(layout, config):
    return from_visavis(LAYOUTS[layout], outline_model(config).state_dict(), config)


def read(layout, config, sidecar=None, hints=None, named=None):
    return read_config(LAYOUTS[layout], outline(layout, config), sidecar, hints, named)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        (name, layout.name)
        for name, config in ARCHITECTURES.items()
        for layout in LAYOUTS.values()
        if family_of(config) in layout.families and (layout.name == "openai" or not isinstance(config, CLIPConfig))
    ],
)
def test_every_architecture_is_read_from_its_shapes(name, layout):
    config = find_config(name)
    tensors = outline(layout, config)
    if isinstance(config, CLIPConfig):
        with pytest.raises(UnknownSettingError, match="FILE::NAME") as asked:
            read_config(find_layout(tensors), tensors)
        assert asked.value.setting == "activation"
        assert asked.value.choices == (name, f"{name}-quickgelu")
        assert name in str(asked.value)
        quick = find_config(f"{name}-quickgelu")
        assert read_config(find_layout(tensors), tensors, config=quick) == quick
        return
    free = {"eps": LAYOUTS[layout].eps} if isinstance(config, ViTConfig) else {"image_size": 224}
    assert read_config(LAYOUTS[layout], tensors) == dataclasses.replace(config, **free)


def test_heads_are_those_of_the_published_width():
    """Open_clip's ViT-H has 16 heads of 80, where OpenAI's rule, width / 64, would say 20."""
    assert read("openai", find_config("ViT-H-14"), hints={"activation": "gelu"}).visual.heads == 16
    assert read("openai", find_config("ViT-B-16-plus-240"), hints={"activation": "gelu"}).visual.heads == 14


def test_heads_of_an_unpublished_width_are_asked_for():
    odd = dataclasses.replace(VIT, width=120)
    with pytest.raises(UnknownSettingError, match="heads") as asked:
        read("timm-vit", odd)
    assert asked.value.setting == "heads"
    assert asked.value.choices == ()
    assert "config.json" in str(asked.value)
    assert isinstance(asked.value, UsageError)
    assert read("timm-vit", odd, named=odd) == odd
    assert read("npz-vit", odd).heads == 3  # Flax keeps them apart


def test_the_container_tells_the_activation():
    config = find_config("RN50")
    assert read("openai", config, hints={"activation": "quickgelu"}) == find_config("RN50-quickgelu")
    assert read("openai", config, hints={"activation": "gelu"}) == config
    with pytest.raises(VisavisError, match="'silu'"):
        read("openai", config, hints={"activation": "silu"})


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("quick", "name"), [(True, "ViT-B-32-quickgelu"), (False, "ViT-B-32")])
def test_open_clip_tells_activation_and_heads(nested, quick, name):
    sidecar = {**OPEN_CLIP, "quick_gelu": quick} if quick else OPEN_CLIP
    config = find_config(name)
    assert read("openai", config, {"model_cfg": sidecar} if nested else sidecar) == config
    heads = {**OPEN_CLIP, "vision_cfg": {**OPEN_CLIP["vision_cfg"], "head_width": 32}}
    assert read("openai", find_config("ViT-B-32"), heads).visual.heads == 24


@pytest.mark.parametrize(
    ("tower", "setting"),
    [
        ("vision_cfg", {"no_ln_pre": True}),
        ("vision_cfg", {"pool_type": "avg"}),
        ("vision_cfg", {"attentional_pool": True}),
        ("vision_cfg", {"norm_kwargs": {"eps": 1e-6}}),
        ("vision_cfg", {"act_kwargs": {"approximate": "tanh"}}),
        ("vision_cfg", {"qk_norm": True}),
        ("vision_cfg", {"something_new": 1}),
        ("text_cfg", {"pool_type": "last"}),
        ("text_cfg", {"no_causal_mask": True}),
        ("text_cfg", {"hf_model_name": "roberta-base"}),
    ],
)
def test_open_clip_tells_another_network(tower, setting):
    sidecar = {**OPEN_CLIP, tower: {**OPEN_CLIP[tower], **setting}}
    with pytest.raises(VisavisError, match=next(iter(setting))):
        read("openai", find_config("ViT-B-32"), sidecar)


def test_open_clip_may_say_the_harmless():
    plain = {"patch_dropout": 0.5, "pool_type": "tok", "ls_init_value": None, "output_tokens": True}
    sidecar = {**OPEN_CLIP, "vision_cfg": {**OPEN_CLIP["vision_cfg"], **plain}}
    assert read("openai", find_config("ViT-B-32"), sidecar) == find_config("ViT-B-32")


def test_hugging_face_has_an_activation_for_each_tower():
    config = find_config("ViT-B-32")
    assert read("hf-clip", config, HUGGING_FACE) == config
    mixed = read("hf-clip", config, {**HUGGING_FACE, "vision_config": {"hidden_act": "quick_gelu"}})
    assert (mixed.visual.activation, mixed.text.activation) == ("quickgelu", "gelu")
    # transformers' own default, where the files say nothing
    assert read("hf-clip", config, {"text_config": {}, "vision_config": {}}) == find_config("ViT-B-32-quickgelu")
    # the second name of files of before 2023 wins, as in transformers
    older = {"text_config": {}, "vision_config": {}, "text_config_dict": {"hidden_act": "gelu"}}
    assert read("hf-clip", config, older).text.activation == "gelu"
    assert read("openai", config, HUGGING_FACE) == config  # beside an open_clip file lies Hugging Face's JSON


@pytest.mark.parametrize("end_token", [2, 49407])
def test_hugging_face_end_token(end_token):
    """2 is what older files say; transformers then takes the highest number, as for 49407."""
    sidecar = {**HUGGING_FACE, "text_config": {"hidden_act": "gelu", "eos_token_id": end_token}}
    assert read("hf-clip", find_config("ViT-B-32"), sidecar) == find_config("ViT-B-32")


@pytest.mark.parametrize(
    ("tower", "setting"),
    [
        ("text_config", {"eos_token_id": 49406}),
        ("text_config", {"layer_norm_eps": 1e-6}),
        ("text_config", {"hidden_act": "gelu_new"}),
        ("vision_config", {"hidden_act": "gelu_pytorch_tanh"}),
    ],
)
def test_hugging_face_tells_another_clip(tower, setting):
    with pytest.raises(VisavisError, match=next(iter(setting))):
        read("hf-clip", find_config("ViT-B-32"), {**HUGGING_FACE, tower: setting})


@pytest.mark.parametrize(
    ("sidecar", "eps", "activation"),
    [
        (None, 1e-12, "gelu"),
        ({"model_type": "vit", "num_attention_heads": 3, "image_size": 32}, 1e-12, "gelu"),
        (
            {"layer_norm_eps": 1e-6, "hidden_act": "quick_gelu", "num_attention_heads": 3, "image_size": 32},
            1e-6,
            "quickgelu",
        ),
    ],
)
def test_hugging_face_tells_eps_and_activation_of_a_vit(sidecar, eps, activation):
    assert read("hf-vit", VIT, sidecar) == dataclasses.replace(VIT, eps=eps, activation=activation)


@pytest.mark.parametrize(
    "setting", [{"downsample_in_bottleneck": True}, {"downsample_in_first_stage": True}, {"hidden_act": "gelu"}]
)
def test_hugging_face_tells_another_resnet(setting):
    with pytest.raises(VisavisError, match=next(iter(setting))):
        read("hf-resnet", RESNET, setting)
    assert read("hf-resnet", RESNET, {"downsample_in_bottleneck": False, "hidden_act": "relu"}) == RESNET


@pytest.mark.parametrize(
    "name", ["resnet50", "tv_resnet50", "resnext101_32x8d", "wide_resnet50_2", "ig_resnext101_32x8d"]
)
def test_timm_tells_the_image_size_of_a_resnet(name):
    sidecar = {"architecture": name, "global_pool": "avg", "pretrained_cfg": {"input_size": [3, 160, 160]}}
    assert read("torchvision-resnet", RESNET, sidecar) == dataclasses.replace(RESNET, image_size=160)


@pytest.mark.parametrize(
    ("layout", "config", "sidecar", "said"),
    [
        ("torchvision-resnet", RESNET, {"architecture": "resnetaa50"}, "resnetaa50"),
        ("torchvision-resnet", RESNET, {"architecture": "resnet50_gn"}, "resnet50_gn"),
        ("torchvision-resnet", RESNET, {"architecture": "resnet50", "global_pool": "max"}, "global_pool"),
        ("torchvision-resnet", RESNET, {"architecture": "resnet50", "model_args": {"act_layer": "silu"}}, "act_layer"),
        ("timm-vit", VIT, {"architecture": "vit_base_patch16_gap_224"}, "gap"),
        ("timm-vit", VIT, {"architecture": "vit_base_patch16_224", "global_pool": "avg"}, "global_pool"),
    ],
)
def test_timm_tells_another_network(layout, config, sidecar, said):
    with pytest.raises(VisavisError, match=said):
        read(layout, config, sidecar)


def test_a_contradiction_is_told():
    config = find_config("ViT-B-32")
    with pytest.raises(UsageError, match=r"activation contradict each other: 'gelu'.* 'quickgelu'"):
        read("openai", config, OPEN_CLIP, named=find_config("ViT-B-32-quickgelu"))
    with pytest.raises(VisavisError, match=r"256 pixels.* 224"):
        read("openai", config, {**OPEN_CLIP, "vision_cfg": {**OPEN_CLIP["vision_cfg"], "image_size": 256}})


def test_the_wrong_architecture_is_told():
    with pytest.raises(UsageError) as error:
        read("openai", find_config("ViT-B-32"), named=find_config("ViT-B-16"))
    assert "'visual.conv1.weight' must be float32 [768, 3, 16, 16], but is float32 [768, 3, 32, 32]" in str(error.value)
    with pytest.raises(UsageError, match="missing"):
        read("timm-vit", VIT, named=find_config("resnet50"))


def test_the_number_of_classes_is_the_files():
    config = find_config("vit_base_patch16_224")
    assert read("timm-vit", dataclasses.replace(config, num_classes=21843), named=config).num_classes == 21843
    assert read("timm-vit", dataclasses.replace(config, num_classes=0), named=config).num_classes == 0


@pytest.mark.parametrize(
    ("layout", "config", "sidecar"),
    [
        ("openai", find_config("ViT-B-32"), {"vision_cfg": 3, "text_cfg": {}}),
        ("openai", find_config("ViT-B-32"), {"vision_cfg": {"head_width": 0}, "text_cfg": {}}),
        ("openai", find_config("ViT-B-32"), {"vision_cfg": {"image_size": "big"}, "text_cfg": {}}),
        ("openai", find_config("ViT-B-32"), {"vision_cfg": {}, "text_cfg": {"heads": "many"}}),
        ("openai", find_config("ViT-B-32"), {"vision_cfg": {}, "text_cfg": {"heads": 7}}),
        ("hf-clip", find_config("ViT-B-32"), {"vision_config": [1]}),
        ("hf-vit", VIT, {"num_attention_heads": 5, "image_size": 32}),
        ("hf-vit", VIT, {"num_attention_heads": 3, "image_size": [32, 64]}),
        ("hf-vit", VIT, {"num_attention_heads": 3, "image_size": 32, "layer_norm_eps": "x"}),
        ("hf-vit", VIT, {"num_attention_heads": 3, "image_size": 32, "layer_norm_eps": 7}),
        ("hf-vit", VIT, {"hidden_act": ["gelu"]}),
        ("torchvision-resnet", RESNET, {"architecture": "resnet50", "pretrained_cfg": {"input_size": 7}}),
        ("torchvision-resnet", RESNET, {"architecture": "resnet50", "pretrained_cfg": {"input_size": ["a", "a"]}}),
    ],
)
def test_nonsense_beside_the_weights_is_told(layout, config, sidecar):
    with pytest.raises(VisavisError, match=r"JSON|another network"):
        read(layout, config, sidecar)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv1.weight", (192,)),
        ("conv1.weight", (0, 3, 16, 16)),
        ("conv1.weight", (192, 3, 0, 0)),
        ("positional_embedding", (1, 6, 192)),
        ("positional_embedding", (2, 5, 192)),
        ("positional_embedding", (0, 5, 192)),
        ("positional_embedding", (1, 1, 192)),
        ("class_embedding", (192,)),
        ("head.weight", (5,)),
        ("transformer.resblocks.0.mlp.c_fc.weight", (0, 192)),
    ],
)
def test_shapes_of_no_network_are_told(name, shape):
    tensors = {**outline("timm-vit", VIT), LAYOUTS["timm-vit"].names(name)[0]: torch.empty(shape, device="meta")}
    with pytest.raises(VisavisError, match=r"no network|has a part missing|resblocks|positions"):
        read_config(LAYOUTS["timm-vit"], tensors)


@pytest.mark.parametrize("shape", [(64,), (0, 0, 3, 3), (64, 7, 3, 3), (64, 0, 3, 3)])
def test_shapes_of_no_resnet_are_told(shape):
    tensors = {**outline("torchvision-resnet", RESNET), "layer1.0.conv2.weight": torch.empty(shape, device="meta")}
    with pytest.raises(VisavisError, match="no network"):
        read_config(LAYOUTS["torchvision-resnet"], tensors)


def test_a_vit_without_a_class_token_is_told():
    tensors = outline("timm-vit", VIT)
    del tensors["cls_token"]
    with pytest.raises(VisavisError, match="no class token: there is no 'cls_token'"):
        read_config(find_layout(tensors), tensors)


def test_the_layout_must_be_the_files():
    with pytest.raises(VisavisError, match=r"'patch_embed.proj.weight'"):
        read_config(LAYOUTS["timm-vit"], outline("hf-vit", VIT))
