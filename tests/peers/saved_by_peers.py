"""Small networks of every peer with random weights, as the peer saves them, and what they are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import open_clip
import timm
import torch
import torchvision
import transformers
from comparing import randomised
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config

TEXT = TextConfig(context_length=24, vocab_size=1024, width=128, layers=2, heads=2, embed_dim=24)
QUICK_TEXT = dataclasses.replace(TEXT, activation="quickgelu")
IMAGES = {
    "resnet": CLIPResNetConfig(layers=(1, 2, 1, 1), width=8, image_size=64, embed_dim=24),
    "vit": CLIPViTConfig(image_size=64, patch_size=16, width=128, layers=3, heads=2, embed_dim=24),
    "wide heads": CLIPViTConfig(image_size=48, patch_size=16, width=96, layers=2, heads=3, embed_dim=24, mlp_width=419),
}
VIT = ViTConfig(image_size=48, patch_size=16, width=96, layers=3, heads=4, num_classes=10)
BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


@dataclass
class Saved:
    """What a peer wrote, and what it computes."""

    tensors: dict[str, Tensor]
    peer: nn.Module
    config: Config
    layout: str
    sidecar: dict[str, Any] | None = None
    named: Config | None = None  # what a caller must say, for the file does not
    dropped: set[str] = field(default_factory=set)


def openai_model(module: ModuleType, kind: str) -> Saved:
    visual = IMAGES[kind]
    if isinstance(visual, CLIPViTConfig):
        visual = dataclasses.replace(visual, activation="quickgelu")
    peer = module.CLIP(
        embed_dim=24,
        image_resolution=64,
        vision_layers=visual.layers,
        vision_width=visual.width,
        vision_patch_size=16,
        context_length=24,
        vocab_size=1024,
        transformer_width=128,
        transformer_heads=2,
        transformer_layers=2,
    )
    config = CLIPConfig(visual=visual, text=QUICK_TEXT)
    randomised(peer)
    numbers = {"input_resolution": 64, "context_length": 24, "vocab_size": 1024}  # as its TorchScript archives hold
    tensors = {**peer.state_dict(), **{name: torch.tensor(number) for name, number in numbers.items()}}
    return Saved(tensors, peer, config, "openai", named=config, dropped=set(numbers))


def open_clip_model(kind: str, quick: bool, custom_text: bool = False) -> Saved:
    visual = IMAGES[kind]
    activation = "quickgelu" if quick else "gelu"
    described = {
        "embed_dim": 24,
        "quick_gelu": quick,
        "vision_cfg": {"image_size": visual.image_size, "layers": visual.layers, "width": visual.width},
        "text_cfg": {"context_length": 24, "vocab_size": 1024, "width": 128, "heads": 2, "layers": 2},
    }
    if isinstance(visual, CLIPViTConfig):
        visual = dataclasses.replace(visual, activation=activation)
        described["vision_cfg"] |= {"patch_size": 16, "head_width": visual.width // visual.heads}
        described["vision_cfg"] |= {"mlp_ratio": 4.37} if visual.mlp_width else {}
    network = open_clip.CustomTextCLIP if custom_text else open_clip.CLIP
    peer = randomised(network(**json.loads(json.dumps(described))))
    text = dataclasses.replace(TEXT, activation=activation)
    sidecar = {"model_cfg": json.loads(json.dumps(described))}
    return Saved(peer.state_dict(), peer, CLIPConfig(visual=visual, text=text), "openai", sidecar)


def hugging_face_clip(folder: Path, kind: str, image_activation: str, text_activation: str) -> Saved:
    visual = IMAGES[kind]
    ours = {"gelu": "gelu", "quick_gelu": "quickgelu"}
    config = transformers.CLIPConfig(
        text_config={
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "vocab_size": 1024,
            "max_position_embeddings": 24,
            "eos_token_id": 1023,
            "bos_token_id": 1022,
            "hidden_act": text_activation,
        },
        vision_config={
            "hidden_size": visual.width,
            "intermediate_size": visual.mlp_width or 4 * visual.width,
            "num_hidden_layers": visual.layers,
            "num_attention_heads": visual.heads,
            "image_size": visual.image_size,
            "patch_size": 16,
            "hidden_act": image_activation,
        },
        projection_dim=24,
    )
    peer = randomised(transformers.CLIPModel(config))
    visual = dataclasses.replace(visual, activation=ours[image_activation])
    text = dataclasses.replace(TEXT, activation=ours[text_activation])
    return saved_folder(peer, folder, CLIPConfig(visual=visual, text=text), "hf-clip")


def hugging_face_resnet(folder: Path, block: str) -> Saved:
    config = ResNetConfig(block=block, layers=(1, 2, 1, 1), width=8, num_classes=10)
    described = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8 * config.expansion * 2**stage for stage in range(4)],
        depths=[1, 2, 1, 1],
        layer_type=block,
        num_labels=10,
    )
    return saved_folder(randomised(transformers.ResNetForImageClassification(described)), folder, config, "hf-resnet")


def hugging_face_vit(folder: Path, **settings: Any) -> Saved:
    described = transformers.ViTConfig(
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=384,
        image_size=48,
        patch_size=16,
        num_labels=10,
        **settings,
    )
    config = dataclasses.replace(VIT, eps=described.layer_norm_eps)
    return saved_folder(randomised(transformers.ViTForImageClassification(described)), folder, config, "hf-vit")


def saved_folder(peer: nn.Module, folder: Path, config: Config, layout: str) -> Saved:
    peer.save_pretrained(folder)
    sidecar = json.loads((folder / "config.json").read_text())
    return Saved(load_file(folder / "model.safetensors"), peer, config, layout, sidecar)


def hugging_face_vit_in_memory(folder: Path) -> Saved:
    saved = hugging_face_vit(folder)
    saved.tensors = saved.peer.state_dict()
    return saved


def hugging_face_vit_with_pooler(folder: Path) -> Saved:
    whole = hugging_face_vit(folder)
    peer = randomised(transformers.ViTModel(whole.peer.config))
    config = dataclasses.replace(whole.config, num_classes=0)
    saved = saved_folder(peer, folder / "without a head", config, "hf-vit")
    saved.dropped = {"pooler.dense.weight", "pooler.dense.bias"}
    return saved


def torchvision_resnet(block: str, layers: tuple[int, ...], groups: int = 1, width_per_group: int = 64) -> Saved:
    peer = torchvision.models.ResNet(
        BLOCKS[block],
        list(layers),
        num_classes=10,
        groups=groups,
        width_per_group=width_per_group,
    )
    config = ResNetConfig(block=block, layers=layers, groups=groups, width_per_group=width_per_group, num_classes=10)
    return Saved(randomised(peer).state_dict(), peer, config, "torchvision-resnet")


def timm_resnet() -> Saved:
    peer = randomised(timm.create_model("resnext50_32x4d", num_classes=10, layers=(1, 1, 1, 1)))
    config = ResNetConfig(
        block="bottleneck", layers=(1, 1, 1, 1), groups=32, width_per_group=4, num_classes=10, image_size=160
    )
    sidecar = {"architecture": "resnext50_32x4d", "pretrained_cfg": {"input_size": [3, 160, 160]}}
    return Saved(peer.state_dict(), peer, config, "torchvision-resnet", sidecar)


def timm_vit(num_classes: int = 10, mlp_ratio: float = 4.0) -> Saved:
    peer = timm.models.VisionTransformer(
        48, 16, depth=3, num_heads=4, embed_dim=96, num_classes=num_classes, mlp_ratio=mlp_ratio
    )
    config = dataclasses.replace(
        VIT, num_classes=num_classes, mlp_width=None if mlp_ratio == 4 else int(96 * mlp_ratio)
    )
    return Saved(randomised(peer).state_dict(), peer, config, "timm-vit", named=config)


def torchvision_vit() -> Saved:
    peer = torchvision.models.VisionTransformer(48, 16, 3, 4, hidden_dim=96, mlp_dim=384, num_classes=10)
    return Saved(randomised(peer).state_dict(), peer, VIT, "torchvision-vit", named=VIT)


# In words, for a failure's name: what saves to a folder, and OpenAI's module where it is needed.
SAVERS: dict[str, Callable[[Path, ModuleType], Saved]] = {
    "OpenAI, ResNet": lambda folder, module: openai_model(module, "resnet"),
    "OpenAI, ViT": lambda folder, module: openai_model(module, "vit"),
    "open_clip, ResNet": lambda folder, module: open_clip_model("resnet", quick=False),
    "open_clip, ResNet, QuickGELU": lambda folder, module: open_clip_model("resnet", quick=True),
    "open_clip, ViT": lambda folder, module: open_clip_model("vit", quick=False),
    "open_clip, ViT, QuickGELU, own heads": lambda folder, module: open_clip_model("wide heads", quick=True),
    "open_clip, CustomTextCLIP": lambda folder, module: open_clip_model("vit", quick=True, custom_text=True),
    "Hugging Face, CLIP": lambda folder, module: hugging_face_clip(folder, "vit", "quick_gelu", "quick_gelu"),
    "Hugging Face, CLIP, GELU": lambda folder, module: hugging_face_clip(folder, "wide heads", "gelu", "gelu"),
    "Hugging Face, CLIP, mixed": lambda folder, module: hugging_face_clip(folder, "vit", "gelu", "quick_gelu"),
    "Hugging Face, ResNet, basic": lambda folder, module: hugging_face_resnet(folder, "basic"),
    "Hugging Face, ResNet": lambda folder, module: hugging_face_resnet(folder, "bottleneck"),
    "Hugging Face, ViT": lambda folder, module: hugging_face_vit(folder),
    "Hugging Face, ViT, eps": lambda folder, module: hugging_face_vit(folder, layer_norm_eps=1e-3),
    "Hugging Face, ViT, state dict": lambda folder, module: hugging_face_vit_in_memory(folder),
    "Hugging Face, ViTModel": lambda folder, module: hugging_face_vit_with_pooler(folder),
    "torchvision, ResNet, basic": lambda folder, module: torchvision_resnet("basic", (1, 2, 1, 1)),
    "torchvision, ResNet": lambda folder, module: torchvision_resnet("bottleneck", (1, 2, 1, 1)),
    "torchvision, wide ResNet": lambda folder, module: torchvision_resnet("bottleneck", (1, 1, 1, 1), 1, 128),
    "torchvision, ResNeXt": lambda folder, module: torchvision_resnet("bottleneck", (1, 1, 1, 1), 32, 8),
    "timm, ResNeXt": lambda folder, module: timm_resnet(),
    "timm, ViT": lambda folder, module: timm_vit(),
    "timm, ViT, no head": lambda folder, module: timm_vit(num_classes=0),
    "timm, ViT, own MLP": lambda folder, module: timm_vit(mlp_ratio=3.1),
    "torchvision, ViT": lambda folder, module: torchvision_vit(),
}
