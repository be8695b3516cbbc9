"""A file or folder of anyone's weights as a checkpoint: read, recognised, checked, and told what could not be known.

The one idea: nothing is guessed silently. The architecture comes from the tensors and the JSON beside them, the
preprocessing from that JSON or from a published name; what neither tells is asked for.
"""

from __future__ import annotations

import dataclasses
import re
from importlib import resources
from pathlib import Path
from typing import Any

from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIPConfig
from visavis.zoo.architectures import Config, find_config
from visavis.zoo.checkpoint import Checkpoint, checkpoint_of
from visavis.zoo.formats.contents import UnreadableError
from visavis.zoo.formats.folders import read_json
from visavis.zoo.formats.tensor_file import TensorFile, read_tensor_file
from visavis.zoo.layouts.layout import Layout
from visavis.zoo.layouts.names import compare_names, find_layout, to_visavis
from visavis.zoo.layouts.reading import read_config
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.published import Published, find_published, list_published
from visavis.zoo.resizing import with_image_size
from visavis.zoo.sidecars import hugging_face_preprocess, open_clip_preprocess, timm_preprocess


def open_checkpoint(path: Path, named: str | None = None) -> Checkpoint:
    """Weights of any format that visavis reads; floating-point tensors come back as float32.

    Args:
        path: A file, or a folder as Hugging Face, open_clip and timm publish it.
        named: A published checkpoint or an architecture, for what the file does not say of itself.

    Returns:
        The checkpoint; `about` says which format it was, what was left out, and what was assumed.

    Raises:
        UsageError: The file needs `named`, or contradicts it.
        VisavisError: The file is damaged, or holds another network than visavis has.
    """
    file = read_tensor_file(path)
    if "visavis" in file.metadata:
        return checkpoint_of(path, file.metadata["visavis"], file.tensors)
    try:
        return _open_foreign(file, named)
    except VisavisError as error:
        if str(path) not in str(error):  # with several files open, the user must see which
            error.args = (f"{str(path)!r}: {error}",)
        raise


def _open_foreign(file: TensorFile, named: str | None) -> Checkpoint:
    """Another library's weights under our names, with what was read, left out and assumed."""
    row = find_published(named) if named else None
    wanted = config_of(row) if row else find_config(named) if named else None
    layout = find_layout(file.tensors)
    config = read_config(layout, file.tensors, file.config, file.hints, wanted)
    preprocess, assumed = _preprocess(file, layout, config, row, named)
    if not isinstance(config, CLIPConfig):
        config = _with_size(config, preprocess, file.path)
    report = compare_names(layout, file.tensors, config)
    state = to_visavis(layout, file.tensors, config)
    about = {
        "source": row.source if row else layout.peers,
        "format": f"{layout.name} in {file.container}",
        **({"published": row.name, **_choosing(row)} if row else {}),
        **({"unwrapped": list(file.unwrapped)} if file.unwrapped else {}),
        **({"left_out": [dropped.name for dropped in report.dropped]} if report.dropped else {}),
        **({"assumed": assumed} if assumed else {}),
    }
    return Checkpoint(
        config=config,
        preprocess=preprocess,
        state={name: value.float() if value.is_floating_point() else value for name, value in state.items()},
        class_names=_class_names(file, config, row),
        about=about,
    )


def config_of(row: Published) -> Config:
    """The architecture of a published checkpoint, at its image size and with its head."""
    config = with_image_size(find_config(row.architecture), row.image_size)
    return config if isinstance(config, CLIPConfig) else dataclasses.replace(config, num_classes=row.num_classes)


def imagenet_names() -> tuple[str, ...]:
    """ImageNet-1k's classes in the order of published heads' outputs."""
    return tuple((resources.files("visavis.zoo") / "imagenet1k.txt").read_text(encoding="utf-8").splitlines())


def _preprocess(
    file: TensorFile, layout: Layout, config: Config, row: Published | None, named: str | None
) -> tuple[Preprocess, str]:
    """What the weights demand of images, and what of it was assumed rather than read."""
    if row is not None:
        return row.preprocess, ""
    try:
        stated = _stated_preprocess(file, layout, config)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, UnreadableError) as error:
        raise VisavisError(
            f"The preprocessing stated beside {str(file.path)!r} is none that visavis can do ({error}). Write "
            "FILE::NAME with the published checkpoint that it is, or correct that file."
        ) from error
    if stated is not None:
        return stated, ""
    if isinstance(config, CLIPConfig) and (file.container == "torchscript" or named):
        settings = Preprocess(image_size=config.image_size, resize=config.image_size)
        return settings, "" if file.container == "torchscript" else "CLIP's own preprocessing: nothing beside it tells"
    fitting = [published.name for published in list_published() if _same_tensors(published, config)]
    names = f"{', '.join(fitting[:8])}{' and others' if len(fitting) > 8 else ''}" if fitting else "none that fits"
    raise UsageError(
        f"{str(file.path)!r} does not say what it demands of images (size, crop, interpolation, mean and deviation), "
        "and every feature depends on it. Put the JSON file that it was published with beside it, or write "
        f"FILE::NAME with the published checkpoint that it is: {names}."
    )


def _stated_preprocess(file: TensorFile, layout: Layout, config: Config) -> Preprocess | None:
    if layout.name.startswith("hf-"):
        settings = file.path.with_name("preprocessor_config.json")
        return hugging_face_preprocess(read_json(settings)) if settings.is_file() else None
    if file.config is None:
        return None
    if "model_cfg" in file.config:
        return open_clip_preprocess(file.config, config.image_size)
    return timm_preprocess(file.config) if "pretrained_cfg" in file.config else None


def _same_tensors(row: Published, config: Config) -> bool:
    """Whether a published checkpoint's network has the tensors of this one, whatever its images' size."""
    if isinstance(config, CLIPConfig):
        return config_of(row) == config
    return dataclasses.replace(config, image_size=row.image_size) == config_of(row)


def _with_size(config: Config, preprocess: Preprocess, path: Path) -> Config:
    """A plain ResNet's image size is what its preprocessing says; a ViT's positions must agree with it."""
    sized = with_image_size(config, preprocess.image_size)
    if hasattr(config, "patch_size") and sized != config:
        raise UsageError(
            f"{str(path)!r} has position embeddings for images of {config.image_size} pixels, but the preprocessing is "
            f"for {preprocess.image_size}. Name the published checkpoint of that size, or correct the file beside it."
        )
    return sized


def _class_names(file: TensorFile, config: Config, row: Published | None) -> tuple[str, ...] | None:
    if isinstance(config, CLIPConfig):
        return None
    if row is not None:
        return imagenet_names() if row.classes == "imagenet1k" else None
    labels: Any = (file.config or {}).get("id2label")
    if not isinstance(labels, dict):
        return None
    names = tuple(str(labels.get(str(number), "")) for number in range(config.num_classes))
    said = names and all(names) and not all(re.fullmatch(r"LABEL_\d+", name) for name in names)
    return names if said else None


def _choosing(row: Published) -> dict[str, str]:
    """What people choose by."""
    samples = f" ({row.samples})" if row.samples else ""
    return {"trained_on": f"{row.training_data}{samples}", "origin": row.origin, "license": row.license}
