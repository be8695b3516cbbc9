"""Preprocessing as the JSON files beside a peer's weights state it: open_clip, timm, Hugging Face.

Each function reads one peer's spelling and either knows every setting or raises ValueError naming the one it does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess

PILLOW_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # PIL.Image.Resampling


def open_clip_preprocess(config: Mapping[str, Any], image_size: int) -> Preprocess:
    """From `open_clip_config.json`; what its "preprocess_cfg" leaves out is open_clip's default, CLIP's own values."""
    settings = config.get("preprocess_cfg") or {}
    return Preprocess(
        image_size=image_size,
        resize=image_size,
        interpolation=_interpolation(settings.get("interpolation") or "bicubic"),
        mean=_triple(settings.get("mean") or CLIP_MEAN),
        std=_triple(settings.get("std") or CLIP_STD),
        resize_mode=_one_of("resize_mode", settings.get("resize_mode") or "shortest", ("shortest", "squash")),
    )


def timm_preprocess(config: Mapping[str, Any]) -> Preprocess:
    """From timm's `config.json`, for its default evaluation: the input size, not the larger test size."""
    settings = config.get("pretrained_cfg") or config
    image_size = int(settings["input_size"][-1])
    return Preprocess(
        image_size=image_size,
        resize=math.floor(image_size / float(settings.get("crop_pct") or 0.875)),
        interpolation=_interpolation(settings.get("interpolation") or "bilinear"),
        mean=_triple(settings.get("mean") or IMAGENET_MEAN),
        std=_triple(settings.get("std") or IMAGENET_STD),
        resize_mode={"center": "shortest", "squash": "squash"}[settings.get("crop_mode") or "center"],  # type: ignore[arg-type]  # of the two
    )


def hugging_face_preprocess(config: Mapping[str, Any]) -> Preprocess:
    """From `preprocessor_config.json` of transformers' image processors for CLIP, ViT and ConvNeXt (used for ResNets).

    `size` with a shortest edge keeps proportions; with height and width it squashes; `crop_pct` enlarges before the cut
    below 384 pixels and squashes from there on.
    """
    interpolation = PILLOW_FILTERS.get(config.get("resample", 2))
    if interpolation is None:
        raise ValueError(f"resample {config['resample']!r} is neither 2 (bilinear) nor 3 (bicubic)")
    if not config.get("do_resize", True) or not config.get("do_normalize", True):
        raise ValueError("do_resize or do_normalize is off")
    side, squash = _side(config["size"])
    image_size = _side(config["crop_size"])[0] if config.get("do_center_crop") and config.get("crop_size") else side
    resize = side
    if config.get("crop_pct"):
        squash = side >= 384
        resize = side if squash else int(side / float(config["crop_pct"]))
    return Preprocess(
        image_size=image_size,
        resize=resize,
        interpolation=interpolation,
        mean=_triple(config["image_mean"]),
        std=_triple(config["image_std"]),
        resize_mode="squash" if squash else "shortest",
    )


def _side(size: Any) -> tuple[int, bool]:
    """Pixels, and whether both sides are brought to them."""
    if isinstance(size, int):
        return size, False
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), False
    if size["height"] != size["width"]:
        raise ValueError(f"images of {size['width']} x {size['height']} pixels are not square")
    return int(size["height"]), True


def _interpolation(name: str) -> Literal["bilinear", "bicubic"]:
    return _one_of("interpolation", name, ("bilinear", "bicubic"))


def _one_of(setting: str, value: Any, known: Sequence[Any]) -> Any:
    if value not in known:
        raise ValueError(f"{setting} {value!r} is none of {', '.join(known)}")
    return value


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
