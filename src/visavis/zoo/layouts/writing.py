"""The JSON that a peer needs beside its weights: sizes and settings, preprocessing, names of classes.

What `settings.py` and `zoo/sidecars.py` read, these functions write.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.transformer import Activation
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import ARCHITECTURES
from visavis.zoo.preprocess import Preprocess

_HF_ACTIVATIONS: dict[Activation, str] = {"gelu": "gelu", "quickgelu": "quick_gelu"}
_PILLOW_FILTERS = {"bilinear": 2, "bicubic": 3}  # PIL.Image.Resampling
_NOT_IN_TIMM = ("vit_base_patch8_384", "resnet-mini", "vit-mini-patch8")  # of those that ARCHITECTURES names


def open_clip_files(config: CLIPConfig, preprocess: Preprocess) -> dict[str, dict[str, Any]]:
    """`open_clip_config.json`. One activation counts for both towers, and pictures are resized to `image_size`."""
    text = config.text
    model: dict[str, Any] = {
        "embed_dim": config.embed_dim,
        "vision_cfg": _open_clip_tower(config.visual),
        "text_cfg": {
            "context_length": text.context_length,
            "vocab_size": text.vocab_size,
            "width": text.width,
            "heads": text.heads,
            "layers": text.layers,
        },
    }
    if text.activation == "quickgelu":
        model["quick_gelu"] = True
    images = {
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
        "interpolation": preprocess.interpolation,
        "resize_mode": preprocess.resize_mode,
    }
    return {"open_clip_config.json": {"model_cfg": model, "preprocess_cfg": images}}


def hugging_face_files(
    config: ResNetConfig | ViTConfig | CLIPConfig, preprocess: Preprocess, class_names: Sequence[str] | None
) -> dict[str, dict[str, Any]]:
    """`config.json` and `preprocessor_config.json`. A CLIP has a ViT for images; a ResNet has groups of one."""
    if isinstance(config, CLIPConfig):
        described = _hugging_face_clip(config)
    elif isinstance(config, ViTConfig):
        described = {**_hugging_face_vit(config), **_labels(config.num_classes, class_names)}
    else:
        described = {**_hugging_face_resnet(config), **_labels(config.num_classes, class_names)}
    squash = preprocess.resize_mode == "squash"
    side = preprocess.resize
    images = {
        "image_processor_type": "CLIPImageProcessor",  # the one that can both resize and cut; used for all families
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": side, "width": side} if squash else {"shortest_edge": side},
        "resample": _PILLOW_FILTERS[preprocess.interpolation],
        "do_center_crop": True,
        "crop_size": {"height": preprocess.image_size, "width": preprocess.image_size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocess.mean),
        "image_std": list(preprocess.std),
    }
    return {"config.json": described, "preprocessor_config.json": images}


def timm_files(
    config: ResNetConfig | ViTConfig, preprocess: Preprocess, class_names: Sequence[str] | None
) -> dict[str, dict[str, Any]]:
    """What timm calls `config.json`; a network that it has no name for is the family's base one with other sizes."""
    name, arguments = _timm_name(config)
    described: dict[str, Any] = {
        "architecture": name,
        "num_classes": config.num_classes,
        "num_features": config.embed_dim,
        "global_pool": "avg" if isinstance(config, ResNetConfig) else "token",
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [3, preprocess.image_size, preprocess.image_size],
            "fixed_input_size": isinstance(config, ViTConfig),
            "interpolation": preprocess.interpolation,
            "crop_pct": _ratio(preprocess.image_size, preprocess.resize),
            "crop_mode": "squash" if preprocess.resize_mode == "squash" else "center",
            "mean": list(preprocess.mean),
            "std": list(preprocess.std),
            "num_classes": config.num_classes,
            "first_conv": "conv1" if isinstance(config, ResNetConfig) else "patch_embed.proj",
            "classifier": "fc" if isinstance(config, ResNetConfig) else "head",
        },
    }
    if arguments:
        described["model_args"] = arguments
    if class_names is not None:
        described["label_names"] = list(class_names)
    return {"config.json": described}


def _open_clip_tower(tower: CLIPResNetConfig | CLIPViTConfig) -> dict[str, Any]:
    if isinstance(tower, CLIPResNetConfig):
        layers, width = list(tower.layers), tower.width
        return {"image_size": tower.image_size, "layers": layers, "width": width, "patch_size": None}
    described: dict[str, Any] = {
        "image_size": tower.image_size,
        "layers": tower.layers,
        "width": tower.width,
        "head_width": tower.width // tower.heads,
        "patch_size": tower.patch_size,
    }
    if tower.mlp_width is not None:
        described["mlp_ratio"] = _factor(tower.width, tower.mlp_width)
    return described


def _hugging_face_clip(config: CLIPConfig) -> dict[str, Any]:
    visual, text = config.visual, config.text
    assert isinstance(visual, CLIPViTConfig), "Hugging Face's CLIP has a ViT"
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": config.embed_dim,
        "text_config": {
            "model_type": "clip_text_model",
            "bos_token_id": text.vocab_size - 2,
            "eos_token_id": text.vocab_size - 1,  # where the text's feature is read: the highest number, as with us
            "max_position_embeddings": text.context_length,
            "vocab_size": text.vocab_size,
            "projection_dim": config.embed_dim,
            **_hugging_face_tower(text),
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "image_size": visual.image_size,
            "patch_size": visual.patch_size,
            "projection_dim": config.embed_dim,
            **_hugging_face_tower(visual),
        },
    }


def _hugging_face_tower(tower: CLIPViTConfig | TextConfig | ViTConfig) -> dict[str, Any]:
    return {
        "hidden_size": tower.width,
        "intermediate_size": getattr(tower, "mlp_width", None) or 4 * tower.width,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "hidden_act": _HF_ACTIVATIONS[tower.activation],
        "layer_norm_eps": getattr(tower, "eps", 1e-5),
    }


def _hugging_face_vit(config: ViTConfig) -> dict[str, Any]:
    return {
        "architectures": ["ViTForImageClassification"],
        "model_type": "vit",
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        **_hugging_face_tower(config),
    }


def _hugging_face_resnet(config: ResNetConfig) -> dict[str, Any]:
    return {
        "architectures": ["ResNetForImageClassification"],
        "model_type": "resnet",
        "layer_type": config.block,
        "depths": list(config.layers),
        "embedding_size": config.width,
        "hidden_sizes": [config.width * config.expansion * 2**stage for stage in range(4)],
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    }


def _labels(num_classes: int, class_names: Sequence[str] | None) -> dict[str, Any]:
    """Names by number and back; transformers counts the classes by them."""
    names = class_names or [f"LABEL_{number}" for number in range(num_classes)]
    numbered = {str(number): name for number, name in enumerate(names)}
    return {"id2label": numbered, "label2id": {name: int(number) for number, name in numbered.items()}}


def _timm_name(config: ResNetConfig | ViTConfig) -> tuple[str, dict[str, Any]]:
    """What timm calls a network, and the arguments by which it differs from what it calls so."""
    for name, named in ARCHITECTURES.items():
        if name not in _NOT_IN_TIMM and not isinstance(named, CLIPConfig) and _same_network(named, config):
            return name, {}
    if isinstance(config, ResNetConfig):
        name = "resnet18" if config.block == "basic" else "resnet50"
        sizes = {"layers": list(config.layers), "cardinality": config.groups, "base_width": config.width_per_group}
        return name, sizes
    return "vit_base_patch16_224", {
        "img_size": config.image_size,
        "patch_size": config.patch_size,
        "embed_dim": config.width,
        "depth": config.layers,
        "num_heads": config.heads,
        "mlp_ratio": _factor(config.width, config.mlp_width or 4 * config.width),
    }


def _same_network(named: ResNetConfig | ViTConfig, config: ResNetConfig | ViTConfig) -> bool:
    if isinstance(named, ResNetConfig):
        like = dataclasses.replace(named, num_classes=config.num_classes, image_size=config.image_size)
        return like == config
    eps = getattr(config, "eps", named.eps)
    return dataclasses.replace(named, num_classes=config.num_classes, eps=eps) == config


def _factor(small: int, large: int) -> float:
    """A factor with int(small * factor) == large, however the division was rounded."""
    factor = large / small
    return factor if int(small * factor) == large else math.nextafter(factor, math.inf)


def _ratio(image_size: int, resize: int) -> float:
    """A fraction with floor(image_size / fraction) == resize, however the division was rounded."""
    ratio = image_size / resize
    return ratio if math.floor(image_size / ratio) == resize else math.nextafter(ratio, 0)
