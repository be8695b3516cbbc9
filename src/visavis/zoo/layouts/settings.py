"""What no tensor tells, as the JSON beside a peer's weights states it; and where it states another network.

Sources: the fields of open_clip's `CLIPVisionCfg` and `CLIPTextCfg`, of transformers' `CLIPConfig`, `ViTConfig` and
`ResNetConfig` with their defaults, and of timm's `config.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visavis.errors import VisavisError
from visavis.models.transformer import Activation
from visavis.zoo.layouts.layout import Layout

CLIP_EPS = 1e-5  # of the layer norms in every CLIP here
_HF_ACTIVATIONS: dict[str, Activation] = {"gelu": "gelu", "quick_gelu": "quickgelu"}
# timm's networks that are the plain ResNet, ResNeXt, wide ResNet, ViT or DeiT: all others by these names' families
# differ in what may leave no trace in names and shapes, such as resnetaa50's blurred strides.
_TIMM_NAMES = re.compile(
    r"((tv|gluon|ssl|swsl|ig)_)?(res(net|next)\d+(_\d+x\d+d)?|wide_resnet\d+_2)"
    r"|(vit|deit)_(tiny|small|base|large|huge|giant|gigantic)_patch\d+_\d+(_in21k)?"
)
_TIMM_VIT_SIZES = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")
_TIMM_SIZES = frozenset((*_TIMM_VIT_SIZES, "layers", "cardinality", "base_width", "num_classes"))
# What open_clip's configurations may say and still mean the plain network, beside the sizes, which the tensors tell.
_OPEN_CLIP_SIZES = frozenset(
    ("layers", "width", "heads", "head_width", "mlp_ratio", "patch_size", "image_size", "context_length", "vocab_size")
)
_OPEN_CLIP_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "ls_init_value": (None,),
    "attentional_pool": (False,),
    "no_ln_pre": (False,),
    "pos_embed_type": ("learnable",),
    "final_ln_after_pool": (False, True),  # the class token is normed alike before and after it is taken
    "pool_type": ("tok", "argmax"),
    "act_kwargs": (None,),
    "norm_kwargs": (None,),
    "block_type": (None, "default"),
    "qk_norm": (False,),
    "scaled_cosine_attn": (False,),
    "scale_heads": (False,),
    "scale_attn_inner": (False,),
    "scale_attn": (False,),
    "scale_fc": (False,),
    "timm_model_name": (None,),
    "embed_cls": (False,),
    "no_causal_mask": (False,),
    "proj_bias": (False,),
    "proj_type": ("linear",),
    "hf_model_name": (None,),
}
_OPEN_CLIP_IRRELEVANT = re.compile(  # training, tokenizers, and parts that the entries above leave out
    r"patch_dropout|output_tokens|attn_pooler_\w+|timm_\w+|pad_id|eos_id|hf_\w+|tokenizer_\w+"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What must be known beside the tensors; None where it is not.

    Attributes:
        heads: Of the image tower's Transformer.
        activation: Within the image tower's Transformer.
        text_heads: Of the text tower.
        text_activation: Within the text tower.
        eps: Of a supervised ViT's layer norms.
        image_size: Side of the input in pixels.
    """

    heads: int | None = None
    activation: Activation | None = None
    text_heads: int | None = None
    text_activation: Activation | None = None
    eps: float | None = None
    image_size: int | None = None


def read_settings(layout: Layout, sidecar: Mapping[str, Any]) -> Settings:
    """Reads the JSON beside the weights: Hugging Face's or timm's `config.json`, or `open_clip_config.json`.

    Raises:
        VisavisError: It states another network than the plain one, or makes no sense.
    """
    try:
        if layout.families[-1].startswith("clip"):
            return _clip(sidecar)
        if layout.name == "hf-vit":
            return _hugging_face_vit(sidecar)
        if layout.name == "hf-resnet":
            return _hugging_face_resnet(sidecar)
        return _timm(sidecar) if "architecture" in sidecar else Settings()
    except _OtherNetworkError as error:
        raise VisavisError(
            f"The configuration beside the weights, by {layout.peers}, says {error}, which is another network than "
            "visavis has; no name or shape would show it. Give weights of the plain network."
        ) from error
    except (TypeError, KeyError, ValueError, AttributeError, ArithmeticError) as error:
        raise VisavisError(
            f"The configuration beside the weights, by {layout.peers}, makes no sense ({type(error).__name__}: "
            f"{error}). Mend the JSON file, or move it away and give the architecture's name."
        ) from error


class _OtherNetworkError(Exception):
    """What the configuration says, as "NAME: VALUE"."""


def _clip(sidecar: Mapping[str, Any]) -> Settings:
    """Of open_clip's or Hugging Face's, whichever lies there: repositories for both hold both."""
    config = sidecar.get("model_cfg") or sidecar
    if "vision_cfg" in config:
        return _open_clip(config)
    return _hugging_face_clip(config) if "vision_config" in config or "vision_config_dict" in config else Settings()


def _open_clip(config: Mapping[str, Any]) -> Settings:
    visual, text = config["vision_cfg"], config["text_cfg"]
    for tower in (visual, text):
        for name, value in tower.items():
            _check_open_clip(name, value)
    activation: Activation = "quickgelu" if config.get("quick_gelu") else "gelu"
    head_width = visual.get("head_width", 64)
    if isinstance(visual.get("layers"), list):  # a ResNet, whose attention pooling alone has heads
        _must(head_width == 64, f"head_width: {head_width!r}")
        heads = None
    else:
        heads = visual.get("width", 768) // head_width
    return Settings(
        heads=heads,
        activation=activation,
        text_heads=text.get("heads", 8),
        text_activation=activation,
        image_size=_side(visual.get("image_size", 224)),
    )


def _check_open_clip(name: str, value: Any) -> None:
    if name in _OPEN_CLIP_HARMLESS:
        _must(value in _OPEN_CLIP_HARMLESS[name], f"{name}: {value!r}")
    else:
        _must(name in _OPEN_CLIP_SIZES or _OPEN_CLIP_IRRELEVANT.fullmatch(name), f"{name}: {value!r}")


def _hugging_face_clip(config: Mapping[str, Any]) -> Settings:
    # Files of before 2023 repeat both parts under a second name, which transformers lets win.
    visual = {**(config.get("vision_config") or {}), **(config.get("vision_config_dict") or {})}
    text = {**(config.get("text_config") or {}), **(config.get("text_config_dict") or {})}
    for tower in (visual, text):
        eps = tower.get("layer_norm_eps", CLIP_EPS)
        _must(eps == CLIP_EPS, f"layer_norm_eps: {eps!r}")
    end_token, vocab_size = text.get("eos_token_id", 49407), text.get("vocab_size", 49408)
    # 2 is what files of before 2023 say, and transformers then takes the highest number, as everybody does.
    _must(end_token in (2, vocab_size - 1), f"eos_token_id: {end_token!r} of {vocab_size} tokens")
    return Settings(
        heads=visual.get("num_attention_heads", 12),
        activation=_hugging_face_activation(visual.get("hidden_act", "quick_gelu")),
        text_heads=text.get("num_attention_heads", 8),
        text_activation=_hugging_face_activation(text.get("hidden_act", "quick_gelu")),
        image_size=_side(visual.get("image_size", 224)),
    )


def _hugging_face_vit(config: Mapping[str, Any]) -> Settings:
    kind = config.get("model_type", "vit")
    _must(kind == "vit", f"model_type: {kind!r}")
    return Settings(
        heads=config.get("num_attention_heads", 12),
        activation=_hugging_face_activation(config.get("hidden_act", "gelu")),
        eps=float(config.get("layer_norm_eps", 1e-12)),
        image_size=_side(config.get("image_size", 224)),
    )


def _hugging_face_resnet(config: Mapping[str, Any]) -> Settings:
    plain = {"downsample_in_bottleneck": False, "downsample_in_first_stage": False, "hidden_act": "relu"}
    for name, value in plain.items():
        _must(config.get(name, value) == value, f"{name}: {config.get(name)!r}")
    return Settings()


def _hugging_face_activation(name: str) -> Activation:
    _must(name in _HF_ACTIVATIONS, f"hidden_act: {name!r}")
    return _HF_ACTIVATIONS[name]


def _timm(config: Mapping[str, Any]) -> Settings:
    name = str(config["architecture"])
    _must(bool(_TIMM_NAMES.fullmatch(name)), f"architecture: {name!r}")
    pooling = "token" if "patch" in name else "avg"
    _must(config.get("global_pool", pooling) == pooling, f"global_pool: {config.get('global_pool')!r}")
    arguments = config.get("model_args") or {}
    for argument, value in arguments.items():
        known = argument in _TIMM_SIZES or (argument, value) in (("in_chans", 3), ("global_pool", pooling))
        _must(known, f"model_args: {argument}={value!r}")
    pretrained = config.get("pretrained_cfg") or config
    size = pretrained.get("input_size")
    return Settings(heads=arguments.get("num_heads"), image_size=_side(size[-2:]) if size else None)


def _side(size: Any) -> int:
    """Pixels, given once or for height and width."""
    if isinstance(size, int):
        return size
    height, width = size
    if height != width:
        raise ValueError(f"images of {width} x {height} pixels are not square")
    return int(height)


def _must(fact: object, saying: str) -> None:
    if not fact:
        raise _OtherNetworkError(saying)
