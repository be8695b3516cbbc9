"""The same networks in other libraries, as a user gets them: eager PyTorch, their own defaults.

The one idea: a rival is a function from what the network reads to what it gives, timed in turn with ours.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from visavis.errors import UsageError

Run = Callable[[Tensor], Any]
LIBRARIES = ("open_clip", "torchvision", "timm", "transformers")
_TORCHVISION = {"vit_base_patch32_224": "vit_b_32", "vit_base_patch16_224": "vit_b_16"}


def check_libraries(names: tuple[str, ...]) -> None:
    """Raises UsageError for a library that nobody knows here or that is not installed."""
    for name in names:
        if name not in LIBRARIES:
            raise UsageError(f"Nothing is known of {name!r} to measure against. Known are {', '.join(LIBRARIES)}.")
        if find_spec(name) is None:
            package = "open_clip_torch" if name == "open_clip" else name
            raise UsageError(f"{name} is not installed. Run: pip install {package}")


def open_images(library: str, architecture: str) -> Run | None:
    """A library's image tower with fresh weights, or None where it has no such network."""
    opened = {"open_clip": _open_clip, "torchvision": _torchvision, "timm": _timm, "transformers": _transformers}
    model = opened[library](architecture)
    if model is None:
        return None
    module, run = model
    module.eval()
    return torch.inference_mode()(run)


def open_texts(library: str, architecture: str) -> tuple[Callable[[list[str]], Tensor], Run] | None:
    """A library's tokenizer and text tower, as its users call them; None where it has no such network."""
    if library == "open_clip":
        import open_clip

        if architecture not in open_clip.list_models():
            return None
        model = open_clip.create_model(architecture).eval()
        return open_clip.get_tokenizer(architecture), torch.inference_mode()(model.encode_text)
    return None


def _open_clip(architecture: str) -> tuple[torch.nn.Module, Run] | None:
    import open_clip

    if architecture not in open_clip.list_models():
        return None
    model = open_clip.create_model(architecture)
    return model, model.encode_image


def _torchvision(architecture: str) -> tuple[torch.nn.Module, Run] | None:
    import torchvision

    name = _TORCHVISION.get(architecture, architecture)
    if name not in torchvision.models.list_models():
        return None
    model = torchvision.models.get_model(name)
    return model, model


def _timm(architecture: str) -> tuple[torch.nn.Module, Run] | None:
    import timm

    if architecture not in timm.list_models():
        return None
    model = timm.create_model(architecture)
    return model, model


def _transformers(architecture: str) -> tuple[torch.nn.Module, Run] | None:
    import transformers

    if architecture in ("ViT-B-32", "ViT-B-16"):
        config = transformers.CLIPVisionConfig(
            hidden_size=768, intermediate_size=3072, num_attention_heads=12, projection_dim=512,
            num_hidden_layers=12, patch_size=int(architecture[-2:]), image_size=224,
        )  # fmt: skip
        tower = transformers.CLIPVisionModelWithProjection(config)
        return tower, tower
    if architecture == "resnet50":
        network = transformers.ResNetForImageClassification(transformers.ResNetConfig())
        return network, network
    return None
