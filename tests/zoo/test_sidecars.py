"""Preprocessing from peers' JSON, by files as they are published, and what cannot be done."""

from __future__ import annotations

import pytest

from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess
from visavis.zoo.sidecars import hugging_face_preprocess, open_clip_preprocess, timm_preprocess

HALF = (0.5, 0.5, 0.5)
SQUASHED = {"height": 224, "width": 224}


def hugging_face(name: str | None, **settings) -> dict:
    named = {} if name is None else {"image_processor_type": name}
    return {"image_mean": HALF, "image_std": HALF, "resample": 2, **named, **settings}


def shown(preprocess: Preprocess) -> tuple[int, int, str]:
    return preprocess.image_size, preprocess.resize, preprocess.resize_mode


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # openai/clip-vit-base-patch32 as of 2021, before classes wrote sizes by name
        (
            {
                "feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "do_center_crop": True,
                "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3,
            },
            (224, 224, "shortest"),
        ),
        (hugging_face("CLIPImageProcessorFast", size={"shortest_edge": 336}, crop_size=336), (336, 336, "shortest")),
        (hugging_face("CLIPImageProcessor", size={"shortest_edge": 224}, do_center_crop=True), (224, 224, "shortest")),
        # google/vit-base-patch16-224: one number means both sides there
        (hugging_face("ViTFeatureExtractor", size=224), (224, 224, "squash")),
        (hugging_face("ViTImageProcessor", size=SQUASHED), (224, 224, "squash")),
        # facebook/deit-base-patch16-224: squashed to 256, then cut
        (hugging_face("DeiTFeatureExtractor", size=256, crop_size=224), (224, 256, "squash")),
        # microsoft/resnet-50 and facebook/convnext-base-384: crop_pct counts below 384 pixels
        (hugging_face("ConvNextFeatureExtractor", size=224, crop_pct=0.875), (224, 256, "shortest")),
        (hugging_face("ConvNextImageProcessor", size={"shortest_edge": 224}), (224, 256, "shortest")),
        (hugging_face("ConvNextImageProcessor", size={"shortest_edge": 384}), (384, 384, "squash")),
        # facebook/dinov2-base
        (hugging_face("BitImageProcessor", size={"shortest_edge": 256}, crop_size=SQUASHED), (224, 256, "shortest")),
        (hugging_face("SiglipImageProcessor", size=SQUASHED), (224, 224, "squash")),
        (hugging_face(None, size=SQUASHED), (224, 224, "squash")),
    ],
)  # fmt: skip
def test_hugging_face(config, expected):
    found = hugging_face_preprocess(config)
    assert shown(found) == expected
    assert found.crop_rounding == "down"
    assert found.interpolation == ("bicubic" if config["resample"] == 3 else "bilinear")
    assert found.mean == tuple(config["image_mean"])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (hugging_face("MobileViTImageProcessor", size=SQUASHED), "'MobileViTImageProcessor' is none of Beit, Bit"),
        (hugging_face("Own", size=SQUASHED), "'Own' is none of"),
        (hugging_face(None, size=224), "size 224 without the image processor's name may mean one side or both"),
        (hugging_face("ViTImageProcessor", size=SQUASHED, do_rescale=False), "do_rescale is off"),
        (hugging_face("ViTImageProcessor", size=SQUASHED, do_normalize=False), "do_normalize is off"),
        (hugging_face("ViTImageProcessor", size=SQUASHED, do_resize=False), "do_resize is off"),
        (hugging_face("ViTImageProcessor", size=SQUASHED, rescale_factor=1 / 127.5), "rescale_factor .* is not 1/255"),
        (hugging_face("ViTImageProcessor", size=SQUASHED, resample=1), "resample 1 is neither 2"),
        (hugging_face("ViTImageProcessor", size={"height": 224, "width": 160}), "images of 160 x 224 pixels"),
        (hugging_face("CLIPImageProcessor", size={"shortest_edge": 160}), "resize must be 1 to 4 times image_size"),
    ],
)  # fmt: skip
def test_hugging_face_that_cannot_be_done(config, words):
    with pytest.raises(ValueError, match=words):
        hugging_face_preprocess(config)


def test_timm():
    # resnet50.a1_in1k: floor(224 / 0.95) = 235
    stated = {"input_size": [3, 224, 224], "crop_pct": 0.95, "interpolation": "bicubic"}
    expected = Preprocess(image_size=224, resize=235, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    assert (
        timm_preprocess({"architecture": "resnet50", "pretrained_cfg": stated}) == timm_preprocess(stated) == expected
    )
    squash = {"input_size": (3, 384, 384), "crop_pct": 1.0, "crop_mode": "squash", "mean": HALF, "std": HALF}
    assert shown(timm_preprocess(squash)) == (384, 384, "squash")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crop_mode": "border"}, "crop_mode 'border' is none of center, squash"),
        ({"interpolation": "lanczos"}, "interpolation 'lanczos' is none of bilinear, bicubic"),
        ({"input_size": (3, 1024, 768)}, "images of 768 x 1024 pixels with 3 channels are not square and coloured"),
        ({"input_size": (1, 28, 28)}, "images of 28 x 28 pixels with 1 channels"),
    ],
)
def test_timm_that_cannot_be_done(changes, words):
    with pytest.raises(ValueError, match=words):
        timm_preprocess({"input_size": (3, 224, 224), **changes})


def test_open_clip():
    assert open_clip_preprocess({}, 224) == Preprocess(image_size=224, resize=224)
    siglip = {"mean": HALF, "std": HALF, "interpolation": "random", "resize_mode": "squash"}
    expected = Preprocess(image_size=256, resize=256, mean=HALF, std=HALF, resize_mode="squash")
    assert open_clip_preprocess({"preprocess_cfg": siglip}, 256) == expected  # random in training, bicubic afterwards
    with pytest.raises(ValueError, match="resize_mode 'longest' is none of shortest, squash"):
        open_clip_preprocess({"preprocess_cfg": {"resize_mode": "longest"}}, 224)
