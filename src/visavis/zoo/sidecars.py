"""Preprocessing as the JSON files beside a peer's weights state it: open_clip, timm, Hugging Face.

Each function reads one peer's spelling and either knows every setting or raises ValueError naming the one it does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess


class Processor(NamedTuple):
    """What a class of transformers' image processors does where its file does not say: its class attributes.

    Attributes:
        square: Whether a size that is one number means both sides; None where that cannot be known.
        cuts: Whether the centre is cut.
        crop_pct: The share of the resized side that is kept, in the one class that knows it.
    """

    square: bool | None
    cuts: bool
    crop_pct: float | None = None


# By class in transformers 5.23. The classes that are missing do what Preprocess cannot: they swap channels, rescale
# after resizing, or have sizes of their own.
PROCESSORS = {
    "Beit": Processor(True, False),
    "Bit": Processor(False, True),
    "CLIP": Processor(False, True),
    "ConvNext": Processor(False, False, 224 / 256),
    "DeiT": Processor(True, True),
    "MobileNetV1": Processor(False, True),
    "MobileNetV2": Processor(False, True),
    "Pvt": Processor(True, False),
    "Siglip": Processor(False, False),
    "ViT": Processor(True, False),
}
UNNAMED = Processor(None, False)
PROCESSOR_NAME = re.compile(r"(\w+?)(ImageProcessor|FeatureExtractor)(Fast|Pil)?")
PILLOW_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # PIL.Image.Resampling


def open_clip_preprocess(config: Mapping[str, Any], image_size: int) -> Preprocess:
    """From `open_clip_config.json`; what its "preprocess_cfg" leaves out is open_clip's default, CLIP's own values."""
    settings = config.get("preprocess_cfg") or {}
    interpolation = settings.get("interpolation") or "bicubic"
    return Preprocess(
        image_size=image_size,
        resize=image_size,
        interpolation="bicubic" if interpolation == "random" else _interpolation(interpolation),  # random in training
        mean=_triple(settings.get("mean") or CLIP_MEAN),
        std=_triple(settings.get("std") or CLIP_STD),
        resize_mode=_one_of("resize_mode", settings.get("resize_mode") or "shortest", ("shortest", "squash")),
    )


def timm_preprocess(config: Mapping[str, Any]) -> Preprocess:
    """From timm's `config.json`, for its default evaluation: the input size, not the larger test size."""
    settings = config.get("pretrained_cfg") or config
    channels, image_size, width = map(int, settings["input_size"])
    if channels != 3 or width != image_size:
        raise ValueError(
            f"images of {width} x {image_size} pixels with {channels} channels are not square and coloured"
        )
    return Preprocess(
        image_size=image_size,
        resize=math.floor(image_size / float(settings.get("crop_pct") or 0.875)),
        interpolation=_interpolation(settings.get("interpolation") or "bilinear"),
        mean=_triple(settings.get("mean") or IMAGENET_MEAN),
        std=_triple(settings.get("std") or IMAGENET_STD),
        resize_mode="squash" if _crop_mode(settings) == "squash" else "shortest",
    )


def hugging_face_preprocess(config: Mapping[str, Any]) -> Preprocess:
    """From `preprocessor_config.json` of transformers' image processors; ConvNeXt's is used for ResNets too.

    `size` with a shortest edge keeps proportions; with height and width it squashes; `crop_pct` enlarges before the cut
    below 384 pixels and squashes from there on.
    """
    processor = _processor(config)
    interpolation = PILLOW_FILTERS.get(config.get("resample", 2))
    if interpolation is None:
        raise ValueError(f"resample {config['resample']!r} is neither 2 (bilinear) nor 3 (bicubic)")
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if not config.get(step, True):
            raise ValueError(f"{step} is off")
    if not math.isclose(config.get("rescale_factor", 1 / 255), 1 / 255, rel_tol=1e-6):
        raise ValueError(f"rescale_factor {config['rescale_factor']!r} is not 1/255")
    side, squash = _side(config["size"], processor.square)
    image_size = (
        _side(config.get("crop_size") or 224, True)[0] if config.get("do_center_crop", processor.cuts) else side
    )
    resize = side
    crop_pct = config.get("crop_pct") or processor.crop_pct
    if crop_pct:
        squash = side >= 384
        resize = side if squash else int(side / float(crop_pct))
    return Preprocess(
        image_size=image_size,
        resize=resize,
        interpolation=interpolation,
        mean=_triple(config["image_mean"]),
        std=_triple(config["image_std"]),
        resize_mode="squash" if squash else "shortest",
        crop_rounding="down",
    )


def _processor(config: Mapping[str, Any]) -> Processor:
    name = config.get("image_processor_type") or config.get("feature_extractor_type")
    if name is None:
        return UNNAMED
    match = PROCESSOR_NAME.fullmatch(name)
    if match is None or match[1] not in PROCESSORS:
        raise ValueError(f"image processor {name!r} is none of {', '.join(PROCESSORS)}")
    return PROCESSORS[match[1]]


def _side(size: Any, square: bool | None) -> tuple[int, bool]:
    """Pixels, and whether both sides are brought to them."""
    if isinstance(size, int):
        if square is None:
            raise ValueError(f"size {size} without the image processor's name may mean one side or both")
        return size, square
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), False
    if size["height"] != size["width"]:
        raise ValueError(f"images of {size['width']} x {size['height']} pixels are not square")
    return int(size["height"]), True


def _crop_mode(settings: Mapping[str, Any]) -> str:
    return _one_of("crop_mode", settings.get("crop_mode") or "center", ("center", "squash"))


def _interpolation(name: str) -> Literal["bilinear", "bicubic"]:
    return _one_of("interpolation", name, ("bilinear", "bicubic"))


def _one_of(setting: str, value: Any, known: Sequence[Any]) -> Any:
    if value not in known:
        raise ValueError(f"{setting} {value!r} is none of {', '.join(known)}")
    return value


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
