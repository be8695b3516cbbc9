"""Recipes: one TOML file a training run, read into one frozen configuration."""

from __future__ import annotations

import dataclasses
import sys
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from visavis.errors import UsageError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides the weights of a run.

    Attributes:
        architecture: A name from `visavis list`.
        data: A data set: an embedded one's name, a folder or a table, as in `visavis compare`.
        objective: "labels" (cross-entropy over classes) or "contrastive" (image-text pairs, CLIP).
        samples: Images seen in all, repeats counted.
        batch_size: Images of one step.
        learning_rate: The highest, reached after `warmup_samples`; a cosine leads from there to zero.
        warmup_samples: Images seen while the learning rate rises linearly from zero.
        weight_decay: AdamW's, on weight matrices and convolutions alone.
        label_smoothing: Share of the target spread over all classes; "labels" only.
        max_grad_norm: Gradients longer than this are shortened to it.
        augmentation: "icons" (affine, colour, outlines; no mirror images, which would turn arrows) or "none".
        precision: Of the forward pass: "float32" or "bfloat16" (weights and optimizer stay float32).
        saved_precision: Of the finished weights file.
        seed: Of the fresh weights, the order of samples and the augmentation.
        license: Of the finished weights, in words for those who use them; changes nothing else.
    """

    architecture: str
    data: str
    objective: Literal["labels", "contrastive"]
    samples: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup_samples: int = 0
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    max_grad_norm: float = 1.0
    augmentation: Literal["icons", "none"] = "none"
    precision: Literal["float32", "bfloat16"] = "float32"
    saved_precision: Literal["float32", "float16"] = "float32"
    seed: int = 0
    license: str = "not said"

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} must lie between {low:g} and {high:g}, not {value!r}.")
        if self.samples < self.batch_size:
            raise UsageError(f"samples ({self.samples}) must be at least batch_size ({self.batch_size}).")
        if self.warmup_samples >= self.samples:
            raise UsageError(f"warmup_samples ({self.warmup_samples}) must be below samples ({self.samples}).")
        if self.objective == "contrastive" and self.label_smoothing:
            raise UsageError('label_smoothing belongs to objective = "labels"; leave it out for contrastive training.')

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.samples // self.batch_size


_RANGES = (
    ("samples", 1, 10**12),
    ("batch_size", 2, 2**20),
    ("learning_rate", 1e-9, 10.0),
    ("warmup_samples", 0, 10**12),
    ("weight_decay", 0.0, 10.0),
    ("label_smoothing", 0.0, 0.9),
    ("max_grad_norm", 1e-6, 1e6),
    ("seed", 0, 2**63 - 1),
)


def read_recipe(path: str | Path, overrides: typing.Sequence[str] = ()) -> TrainConfig:
    """A recipe file with `key=value` overrides applied.

    Raises:
        UsageError: The file is missing or no TOML; a key is unknown (the nearest is named), missing, of the wrong type
            or out of range.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the recipe {str(path)!r}: {error.strerror}. Name a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {str(path)!r} is not valid TOML: {error}.") from error
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise UsageError(f"--set takes key=value, not {override!r}; for instance --set samples=100000.")
        values[key.strip()] = _parse_value(text.strip())
    return config_from_values(values, source=str(path))


def config_from_values(values: dict[str, Any], source: str) -> TrainConfig:
    """A configuration from plain values, each key and type checked. Raises UsageError; `source` names the origin."""
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    for key in values:
        if key not in fields:
            raise UsageError(f"Unknown key {key!r} in {source}. {did_you_mean(key, fields)}")
    for field in fields.values():
        if field.default is dataclasses.MISSING and field.name not in values:
            raise UsageError(f"{source} lacks the key {field.name!r}, which every recipe needs.")
    hints = typing.get_type_hints(TrainConfig)
    return TrainConfig(**{key: _checked(key, value, hints[key], source) for key, value in values.items()})


def _checked(key: str, value: Any, expected: Any, source: str) -> Any:
    if typing.get_origin(expected) is Literal:
        choices = typing.get_args(expected)
        if value not in choices:
            hint = did_you_mean(str(value), choices)
            raise UsageError(f"{key} in {source} must be one of {', '.join(choices)}, not {value!r}. {hint}")
        return value
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        wanted = {int: "a whole number", float: "a number", str: "a text in quotes"}[expected]
        raise UsageError(f"{key} in {source} must be {wanted}, not {value!r}.")
    return value


def _parse_value(text: str) -> Any:
    """A TOML value, or the text itself where quotes were left out on the command line."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
