"""What to inspect: a name, a module or an encoder as modules to run, weights or not.

The one idea: a name of the catalogue is built on the meta device, so that no weights are opened and no memory is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.parameter import is_lazy

from visavis.errors import UsageError, did_you_mean
from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNet, ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import VisionTransformer, ViTConfig
from visavis.zoo.architectures import ARCHITECTURES, QUICKGELU, Config, family_of, find_config, outline_model
from visavis.zoo.catalogue import EMBEDDED, list_models
from visavis.zoo.finding import SIZED, find_checkpoint, split_name
from visavis.zoo.opening import config_of
from visavis.zoo.published import find_published
from visavis.zoo.resizing import with_image_size

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder

USUAL_SIZE = 224  # pixels, where nobody says for which images a module is made
TEXT_METHODS = ("encode_text", "get_text_features")  # of open_clip's and transformers' pairs


@dataclass(frozen=True, kw_only=True)
class TextSubject:
    """A text tower: what to call of which module, with how many tokens."""

    module: nn.Module
    method: str
    context_length: int


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What to inspect.

    Attributes:
        name: As asked for.
        family: As `Encoder.family`; "other" for a module of unknown kind.
        settings: Its configuration in words; empty where that is not known.
        model: All of it.
        image: The part that images pass through.
        image_size: Side of the square input in pixels.
        text: The part that reads, where there is one.
        config: Of a catalogue architecture.
    """

    name: str
    family: str
    settings: str
    model: nn.Module
    image: nn.Module
    image_size: int
    text: TextSubject | None = None
    config: Config | None = None


def subject_of(model: str | nn.Module | Encoder, image_size: int | None) -> Subject:
    """What is behind a name, a module or an encoder.

    Raises:
        UsageError: An unknown name, the nearest ones are offered; or a size that the network cannot take.
        VisavisError: A damaged file.
    """
    if isinstance(model, str | os.PathLike):
        name = os.fspath(model)
        return _adapted(name, image_size) if _is_foreign(name) else _of_config(name, config_named(name), image_size)
    if isinstance(model, nn.Module):
        if isinstance(model, ResNet | VisionTransformer | CLIP):
            return _of_config(type(model).__name__, model.config, image_size)
        return _of_module(model, image_size)
    if not hasattr(model, "image_tower"):
        raise UsageError(f"Give a model's name, a torch.nn.Module or an Encoder to inspect, not {model!r}.")
    if isinstance(model.model, ResNet | VisionTransformer | CLIP):
        return _of_config(model.name, model.model.config, image_size)
    return _of_encoder(model, image_size)


def config_named(name: str) -> Config:
    """The architecture behind a name of the catalogue, with or without a tag or "@288", or behind a file of weights."""
    sized = None if os.path.exists(name) or find_published(name) else SIZED.fullmatch(name)
    if sized:
        return _resized(config_named(sized[1]), int(sized[2]))
    path, _ = split_name(name)
    row = find_published(name)
    if os.path.exists(path) or name in EMBEDDED:
        return find_checkpoint(name).config
    if row is not None:
        return config_of(row)
    if name.removesuffix(QUICKGELU) in ARCHITECTURES:
        return find_config(name)
    hint = did_you_mean(name, list_models())
    raise UsageError(f"Unknown model {name!r}. {hint} `visavis list` shows all; a path opens a file of weights.")


def _of_config(name: str, config: Config, image_size: int | None) -> Subject:
    if image_size is not None:
        config = _resized(config, image_size)
    model = outline_model(config)
    text = None
    if isinstance(model, CLIP):
        text = TextSubject(module=model.text, method="forward", context_length=model.config.text.context_length)
    return Subject(
        name=name,
        family=family_of(config),
        settings=words_of(config),
        model=model,
        image=model.visual if isinstance(model, CLIP) else model,
        image_size=config.image_size,
        text=text,
        config=config,
    )


def _of_module(module: nn.Module, image_size: int | None) -> Subject:
    waiting = [name for name, parameter in module.named_parameters() if is_lazy(parameter)]
    if waiting:
        raise UsageError(
            f"Parameters of this {type(module).__name__}, such as {waiting[0]}, have no shape before it has run: run "
            "it on one batch, then inspect it."
        )
    return Subject(
        name=type(module).__name__,
        family="other",
        settings="",
        model=module,
        image=module,
        image_size=_positive(image_size) or USUAL_SIZE,
    )


def _resized(config: Config, image_size: int) -> Config:
    try:
        return with_image_size(config, image_size)
    except ValueError as error:
        raise UsageError(f"This network cannot be inspected at {image_size} pixels: {error}") from error


def _is_foreign(name: str) -> bool:
    from visavis.engine.adapters import MODULES

    return name.partition("/")[0] in MODULES and "/" in name and not os.path.exists(name)


def _adapted(name: str, image_size: int | None) -> Subject:
    """Another library's network with fresh weights, since its layers do not depend on them."""
    from visavis.engine.load import load

    return _of_encoder(load(name.partition("::")[0], weights=None), image_size, name)


def _of_encoder(encoder: Encoder, image_size: int | None, name: str | None = None) -> Subject:
    method = next((method for method in TEXT_METHODS if hasattr(encoder.model, method)), None)
    text = None
    if encoder.has_text and method is not None:
        text = TextSubject(module=encoder.model, method=method, context_length=int(encoder.tokenize(["a"]).shape[1]))
    return Subject(
        name=name or encoder.name,
        family=encoder.family,
        settings=str(encoder.about.get("library", "")),
        model=encoder.model,
        image=encoder.image_tower,
        image_size=_positive(image_size) or encoder.image_size,
        text=text,
    )


def _positive(image_size: int | None) -> int | None:
    if image_size is not None and image_size < 1:
        raise UsageError(f"image_size must be at least 1 pixel, not {image_size}.")
    return image_size


def words_of(config: Config) -> str:
    """A configuration as a reader says it."""
    if isinstance(config, CLIPConfig):
        return f"images: {_WORDS[type(config.visual)](config.visual)}; texts: {_text(config.text)}"
    return _WORDS[type(config)](config)


def _resnet(config: ResNetConfig) -> str:
    kind = "basic blocks" if config.block == "basic" else "bottlenecks"
    groups = f", {config.groups} groups" if config.groups > 1 else ""
    return (
        f"{_listed(config.layers)} {kind}, width {config.width}{groups}, {config.image_size} pixels, "
        f"{config.num_classes} classes"
    )


def _clip_resnet(config: CLIPResNetConfig) -> str:
    return (
        f"{_listed(config.layers)} bottlenecks, width {config.width}, attention pooling with {config.heads} heads, "
        f"{config.image_size} pixels, to {config.embed_dim} dimensions"
    )


def _transformer(config: Any) -> str:
    return f"{config.layers} blocks, width {config.width}, {config.heads} heads, {config.activation}"


def _vit(config: ViTConfig) -> str:
    size = f"patches of {config.patch_size} pixels, {config.image_size} pixels"
    return f"{_transformer(config)}, {size}, {config.num_classes} classes"


def _clip_vit(config: CLIPViTConfig) -> str:
    size = f"patches of {config.patch_size} pixels, {config.image_size} pixels"
    return f"{_transformer(config)}, {size}, to {config.embed_dim} dimensions"


def _text(config: TextConfig) -> str:
    size = f"{config.context_length} tokens of {config.vocab_size:,}"
    return f"{_transformer(config)}, {size}, to {config.embed_dim} dimensions"


def _listed(layers: tuple[int, ...]) -> str:
    return " + ".join(map(str, layers))


_WORDS: dict[type, Callable[[Any], str]] = {
    ResNetConfig: _resnet,
    ViTConfig: _vit,
    CLIPResNetConfig: _clip_resnet,
    CLIPViTConfig: _clip_vit,
}
