"""A file's architecture: what the tensors tell, settled with what is known from elsewhere, and never guessed.

Three sources, in this order: the tensors; what lies beside them or comes with the container; what the caller names.
Where a number of heads is missing, that of the one published width counts; else the caller is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import ARCHITECTURES, QUICKGELU, Config
from visavis.zoo.layouts.layout import Layout
from visavis.zoo.layouts.names import compare_names, refuse_other_networks
from visavis.zoo.layouts.settings import Settings, read_settings
from visavis.zoo.layouts.skeleton import read_heads, read_skeleton


class UnknownSettingError(UsageError):
    """A setting that neither the tensors nor anything beside them tells.

    Attributes:
        setting: "activation" or "heads".
        choices: Names of architectures whose tensors have exactly these shapes, each with its own setting.
    """

    def __init__(self, setting: str, choices: tuple[str, ...], remedy: str) -> None:
        self.setting, self.choices = setting, choices
        named = f"write FILE::NAME with one of {', '.join(choices)}" if choices else remedy
        super().__init__(
            f"The file does not tell its {setting}, which no tensor's shape shows and every feature depends on. To say "
            f"which it is, {named}."
        )


def read_config(
    layout: Layout,
    tensors: Mapping[str, Tensor],
    sidecar: Mapping[str, Any] | None = None,
    hints: Mapping[str, str] | None = None,
    config: Config | None = None,
) -> Config:
    """The architecture of a file's network.

    Args:
        layout: Whose names the tensors have, from `find_layout`.
        tensors: A whole file.
        sidecar: The JSON beside it: `config.json` or `open_clip_config.json`.
        hints: What the container tells: {"activation": "quickgelu"} from TorchScript's source.
        config: An architecture that the caller names. It settles what cannot be known from the file; the number of
            classes, a plain ResNet's image size and a supervised ViT's eps are still the file's.

    Raises:
        UnknownSettingError: The heads or the activation cannot be known; give `config`.
        UsageError: The file contradicts `config`.
        VisavisError: The file holds another network than visavis has, or none.
    """
    refuse_other_networks(layout, tensors)
    skeleton = read_skeleton(layout, tensors)
    known = [Settings(heads=read_heads(layout, tensors)), _hinted(hints or {})]
    if sidecar is not None:
        known.append(read_settings(layout, sidecar))
    if config is not None:
        _check_shapes(layout, tensors, _like_the_file(config, skeleton))
        known.append(_settings_of(config))
    settings = _defaults(_merge(known), skeleton, layout)
    for setting, value in _needed(skeleton, settings):
        if value is None:
            raise UnknownSettingError(setting, _fitting(skeleton), _remedy(layout))
    return _settle(skeleton, settings, layout)


def _hinted(hints: Mapping[str, str]) -> Settings:
    activation = hints.get("activation")
    if activation not in ("gelu", "quickgelu", None):
        raise VisavisError(f"The activation {activation!r} is neither 'gelu' nor 'quickgelu', which visavis knows.")
    return Settings(activation=activation, text_activation=activation)  # type: ignore[arg-type]  # of the two, or None


def _merge(sources: list[Settings]) -> Settings:
    """What any source knows. Raises UsageError where two know differently."""
    merged: dict[str, Any] = {}
    for source in sources:
        for name, value in dataclasses.asdict(source).items():
            if value is not None and merged.setdefault(name, value) != value:
                raise UsageError(
                    f"The sources of {name} contradict each other: {merged[name]!r} from the file or what lies beside "
                    f"it, and {value!r}. Give the architecture that the weights were trained with, or mend the JSON "
                    "file beside them."
                )
    return Settings(**merged)


def _defaults(settings: Settings, skeleton: Config, layout: Layout) -> Settings:
    """Filled where published networks leave no choice."""
    tower = skeleton.visual if isinstance(skeleton, CLIPConfig) else skeleton
    heads, text_heads, activation = settings.heads, settings.text_heads, settings.activation
    if not isinstance(tower, ResNetConfig | CLIPResNetConfig):
        heads = heads or _published_heads(ViTConfig, tower.width)
    if isinstance(skeleton, CLIPConfig):
        text_heads = text_heads or _published_heads(TextConfig, skeleton.text.width)
    elif isinstance(skeleton, ViTConfig):
        activation = activation or "gelu"  # in every published supervised ViT
    eps = settings.eps or layout.eps
    return dataclasses.replace(settings, heads=heads, text_heads=text_heads, activation=activation, eps=eps)


def _published_heads(kind: type[ViTConfig | TextConfig], width: int) -> int | None:
    """Heads of the published towers of a width, which agree: 12 for 768, 16 for 1280; for texts, width / 64."""
    heads = {
        tower.heads
        for config in ARCHITECTURES.values()
        for tower in ((config.visual, config.text) if isinstance(config, CLIPConfig) else (config,))
        if not isinstance(tower, ResNetConfig | CLIPResNetConfig)
        and tower.width == width
        and isinstance(tower, TextConfig) == (kind is TextConfig)
    }
    return heads.pop() if len(heads) == 1 else None


def _needed(skeleton: Config, settings: Settings) -> Iterator[tuple[str, Any]]:
    """What this network must be told, and what is known of it."""
    if isinstance(skeleton, ResNetConfig):
        return
    if not (isinstance(skeleton, CLIPConfig) and isinstance(skeleton.visual, CLIPResNetConfig)):
        yield "heads", settings.heads
        yield "activation", settings.activation
    if isinstance(skeleton, CLIPConfig):
        yield "heads", settings.text_heads
        yield "activation", settings.text_activation


def _settle(skeleton: Config, settings: Settings, layout: Layout) -> Config:
    try:
        config = _settled(skeleton, settings)
    except ValueError as error:
        raise VisavisError(
            f"The settings of this network, by {layout.peers}, do not fit its tensors: {error} Mend the JSON file "
            "beside the weights, or name their own architecture."
        ) from error
    if settings.image_size not in (None, config.image_size):
        raise VisavisError(
            f"What lies beside the weights says images of {settings.image_size} pixels, but their position embedding "
            f"is for {config.image_size}. Mend the JSON file beside the weights; visavis resizes positions on demand."
        )
    return config


def _settled(skeleton: Config, settings: Settings) -> Config:
    if isinstance(skeleton, ResNetConfig):
        return dataclasses.replace(skeleton, image_size=settings.image_size or skeleton.image_size)
    known: dict[str, Any] = {"heads": settings.heads, "activation": settings.activation}
    if isinstance(skeleton, ViTConfig):
        known["eps"] = settings.eps
        return dataclasses.replace(skeleton, **known)
    text: dict[str, Any] = {"heads": settings.text_heads, "activation": settings.text_activation}
    visual = skeleton.visual
    if not isinstance(visual, CLIPResNetConfig):
        visual = dataclasses.replace(visual, **known)
    return CLIPConfig(visual=visual, text=dataclasses.replace(skeleton.text, **text))


def _settings_of(config: Config) -> Settings:
    """What an architecture settles; its eps and its image size are no matter of its name."""
    if isinstance(config, ResNetConfig):
        return Settings()
    if isinstance(config, ViTConfig):
        return Settings(heads=config.heads, activation=config.activation)
    text = Settings(text_heads=config.text.heads, text_activation=config.text.activation)
    if isinstance(config.visual, CLIPResNetConfig):
        return text
    return dataclasses.replace(text, heads=config.visual.heads, activation=config.visual.activation)


def _like_the_file(config: Config, skeleton: Config) -> Config:
    """With as many classes as the file, for which an architecture's name does not speak."""
    if isinstance(config, CLIPConfig) or isinstance(skeleton, CLIPConfig):
        return config
    return dataclasses.replace(config, num_classes=skeleton.num_classes)


def _check_shapes(layout: Layout, tensors: Mapping[str, Tensor], config: Config) -> None:
    report = compare_names(layout, tensors, config)
    if not report.fits:
        raise UsageError(
            f"The file, by {layout.peers}, is not of the architecture that was given. {report.sentences()} Give its "
            "own architecture's name, or none, to read it from the file."
        )


def _fitting(skeleton: Config) -> tuple[str, ...]:
    """Names of architectures whose tensors have the same names and shapes, CLIPs under both activations."""
    names: list[str] = []
    for name, config in ARCHITECTURES.items():
        candidate = _like_the_file(config, skeleton)
        settings = dataclasses.replace(_settings_of(candidate), eps=getattr(candidate, "eps", None))
        if type(candidate) is not type(skeleton) or _towers(candidate) != _towers(skeleton):
            continue
        if _settled(skeleton, settings) == candidate:
            names += [name, name + QUICKGELU] if isinstance(config, CLIPConfig) else [name]
    return tuple(names)


def _towers(config: Config) -> tuple[tuple[type, int], ...]:
    """Kind and width of each tower: enough to know that heads can be carried over."""
    towers = (config.visual, config.text) if isinstance(config, CLIPConfig) else (config,)
    return tuple((type(tower), tower.width) for tower in towers)


def _remedy(layout: Layout) -> str:
    kind = "open_clip_config.json" if layout.name == "openai" else "config.json"
    return f"put the {kind} that the weights were published with beside them; no architecture that visavis names fits"
