"""The same networks in other libraries, as a user gets them: eager PyTorch, their own defaults, and our weights.

The one idea: a rival with the same weights must give the same vectors, so that its speed and ours are of one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from visavis.errors import UsageError, did_you_mean
from visavis.models.clip import CLIPConfig
from visavis.models.resnet import ResNetConfig
from visavis.zoo.architectures import Config
from visavis.zoo.layouts.names import from_visavis
from visavis.zoo.layouts.tables import LAYOUTS
from visavis.zoo.layouts.writing import hugging_face_files
from visavis.zoo.preprocess import Preprocess

EAGER = ("open_clip", "torchvision", "timm", "transformers")  # ratios are taken against the fastest of these
LIBRARIES = (*EAGER, "onnxruntime")
PIP = {"open_clip": "open_clip_torch"}


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Another library's network.

    Attributes:
        library: Whose.
        images: Preprocessed images [batch, 3, side, side] to vectors [batch, embed_dim].
        texts: Tokens [texts, 77] to vectors, as the library's user calls it; None without a text tower.
        transform: From a picture to a network's input, or None where the library leaves that to others.
    """

    library: str
    images: Callable[[Tensor], Tensor]
    texts: Callable[[Tensor], Tensor] | None = None
    transform: Callable[[Image.Image], Tensor] | None = None


def check_libraries(names: tuple[str, ...]) -> None:
    """Raises UsageError for a library that nobody knows here or that is not installed."""
    for name in names:
        if name not in LIBRARIES:
            raise UsageError(
                f"Nothing is known of {name!r} to measure against. {did_you_mean(name, LIBRARIES)} Known are "
                f"{', '.join(LIBRARIES)}."
            )
        if find_spec(name) is None:
            raise UsageError(f"{name} is not installed. Run: pip install {PIP.get(name, name)}")


def open_rival(
    library: str, architecture: str, config: Config, preprocess: Preprocess, state: dict[str, Tensor]
) -> Rival | None:
    """The network of one of the `EAGER` with these weights, or None where it has no such architecture."""
    openers = {
        "open_clip": _open_clip,
        "torchvision": _torchvision,
        "timm": _timm,
        "transformers": _transformers,
    }
    return openers[library](architecture, config, preprocess, state)


def _filled(network: nn.Module, layout: str, state: dict[str, Tensor], config: Config) -> Any:
    network.load_state_dict(from_visavis(LAYOUTS[layout], state, config), strict=False)
    return network.eval().requires_grad_(False)


def _open_clip(name: str, config: Config, preprocess: Preprocess, state: dict[str, Tensor]) -> Rival | None:
    import open_clip

    if not isinstance(config, CLIPConfig) or name not in open_clip.list_models():
        return None
    network = _filled(open_clip.create_model(name, pretrained=None), "openai", state, config)
    transform = open_clip.image_transform(
        preprocess.image_size, is_train=False, mean=preprocess.mean, std=preprocess.std
    )
    return Rival(
        library="open_clip",
        images=torch.inference_mode()(network.encode_image),
        texts=torch.inference_mode()(network.encode_text),
        transform=transform,
    )


def _torchvision(name: str, config: Config, preprocess: Preprocess, state: dict[str, Tensor]) -> Rival | None:
    import torchvision
    from torchvision.transforms._presets import ImageClassification
    from torchvision.transforms.functional import InterpolationMode

    if not isinstance(config, ResNetConfig) or name not in torchvision.models.list_models():
        return None
    network = _filled(torchvision.models.get_model(name, weights=None), "torchvision-resnet", state, config)
    network.fc = nn.Identity()
    transform = ImageClassification(
        crop_size=preprocess.image_size,
        resize_size=preprocess.resize,
        mean=preprocess.mean,
        std=preprocess.std,
        interpolation=InterpolationMode(preprocess.interpolation),
    )
    return Rival(library="torchvision", images=torch.inference_mode()(network), transform=transform)


def _timm(name: str, config: Config, preprocess: Preprocess, state: dict[str, Tensor]) -> Rival | None:
    import timm

    if isinstance(config, CLIPConfig) or name not in timm.list_models():
        return None
    layout = "torchvision-resnet" if isinstance(config, ResNetConfig) else "timm-vit"
    network = _filled(timm.create_model(name, pretrained=False), layout, state, config)
    network.reset_classifier(0)
    return Rival(library="timm", images=torch.inference_mode()(network))


def _transformers(name: str, config: Config, preprocess: Preprocess, state: dict[str, Tensor]) -> Rival | None:
    import transformers

    if isinstance(config, CLIPConfig) and hasattr(config.visual, "patch_size"):
        settings = hugging_face_files(config, preprocess, None)["config.json"]
        network = _filled(transformers.CLIPModel(transformers.CLIPConfig(**settings)), "hf-clip", state, config)
        return Rival(
            library="transformers",
            images=torch.inference_mode()(lambda images: _vectors(network.get_image_features(pixel_values=images))),
            texts=torch.inference_mode()(lambda tokens: _vectors(_padded_to_the_longest(network, tokens))),
        )
    if isinstance(config, ResNetConfig):
        settings = hugging_face_files(config, preprocess, None)["config.json"]
        whole = transformers.ResNetForImageClassification(transformers.ResNetConfig(**settings))
        body = _filled(whole, "hf-resnet", state, config).resnet
        return Rival(
            library="transformers",
            images=torch.inference_mode()(lambda images: body(images).pooler_output.flatten(1)),
        )
    return None


def _padded_to_the_longest(network: Any, tokens: Tensor) -> Any:
    """As after a tokenizer's `padding=True`."""
    ends = tokens.argmax(dim=1)
    tokens = tokens[:, : int(ends.max()) + 1]
    attended = (torch.arange(tokens.shape[1]) <= ends[:, None]).long()
    return network.get_text_features(input_ids=tokens, attention_mask=attended)


def _vectors(found: Any) -> Tensor:
    return found if isinstance(found, Tensor) else found.pooler_output  # before version 5: the vectors themselves
