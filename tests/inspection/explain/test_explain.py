from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from visavis.errors import UsageError, VisavisError
from visavis.inspection.explain.explain import explain, explain_image


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip-resnet", "clip-vit"])
def test_a_map_of_every_kind(encoder_of: Callable[..., Any], photo: np.ndarray, kind: str) -> None:
    encoder = encoder_of(kind)
    made = explain(encoder, photo, texts=["a dog", "a <b>cat</b>"], classes=["cat"])
    asked = ['text "a dog"', 'text "a <b>cat</b>"'] if kind.startswith("clip") else ["class cat"]
    assert [one.target for one in made] == asked
    side = encoder.image_size
    for one in made:
        assert one.model == encoder.name
        assert (one.map.shape, one.map.dtype) == ((side, side), np.float32)
        assert (one.picture.shape, one.picture.dtype) == ((side, side, 3), np.uint8)
        assert bool(one.words) == kind.startswith("clip")
    if kind.startswith("clip"):
        image, text = encoder.encode_images([photo], normalize=True), encoder.encode_texts(["a dog"], normalize=True)
        assert made[0].score == pytest.approx(float((image @ text.T)[0, 0]), abs=1e-5)
    again = explain(encoder, photo, texts=["a dog", "a <b>cat</b>"], classes=["cat"])
    assert all(np.array_equal(a.map, b.map) for a, b in zip(made, again, strict=True))


def test_the_picture_is_what_the_network_sees_once_cut(encoder_of: Callable[..., Any], trained: Any) -> None:
    """Weights that resize to more than they see: a second resizing would look closer than the network does."""
    preprocess = dataclasses.replace(trained("resnet").preprocess, resize=80)
    encoder = encoder_of("resnet", preprocess=preprocess)
    random = np.random.default_rng(3)
    image = Image.fromarray(random.integers(0, 255, (160, 120, 3), dtype=np.uint8))
    (one,) = explain(encoder, image)
    np.testing.assert_array_equal(one.picture, preprocess.pixels(image))
    weight, bias = encoder.head
    logits = encoder.encode_images([image])[0] @ weight.T + bias
    assert one.score == pytest.approx(logits.max() - logits.mean(), rel=1e-3)


def test_damaged_weights_give_no_map(encoder_of: Callable[..., Any], photo: np.ndarray) -> None:
    encoder = encoder_of("vit")
    encoder.image_tower.ln_post.weight.data[0] = torch.nan
    with pytest.raises(VisavisError, match=r"holds values that are no numbers.*visavis doctor"):
        explain(encoder, photo)


def test_several_models_by_name(tmp_path: Path, photo: np.ndarray) -> None:
    file = tmp_path / "photo.png"
    Image.fromarray(photo).save(file)
    told = []
    made = explain_image(
        ["resnet-mini.emoji", "ViT-mini-8.emoji", str(file)], ["a cat"], (), None, lambda *step: told.append(step)
    )
    assert [(one.model, one.unit) for one in made] == [("resnet-mini.emoji", "logit"), ("ViT-mini-8.emoji", "cosine")]
    assert told == [("explaining", 1, 2), ("explaining", 2, 2)]


@pytest.mark.parametrize(
    ("models_and_image", "said"),
    [((), "Give one model or several"), (("photo.png",), "Give one model or several"), (("a", "b"), "no image 'b'")],
)
def test_models_or_the_image_are_missing(models_and_image: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        explain_image(models_and_image)


@pytest.mark.parametrize("name", ["resnet-mini.emoji", "RN-mini.emoji", "ViT-mini-8.emoji", "vit-mini-patch8.emoji"])
def test_where_the_object_goes_the_map_goes(embedded: Callable[[str], Any], name: str) -> None:
    """A drawing that the model knows, on white, in each corner: the map's centre lies on that side."""
    from visavis.data.emoji import read_emoji
    from visavis.engine.pictures import as_picture

    encoder = embedded(name)
    sample = next(one for one in read_emoji("emoji").samples if one.label == "tiger face")
    drawing = np.asarray(as_picture(sample.read_bytes()).resize((36, 36)))
    side = encoder.image_size
    for top in (0, side - 36):
        for left in (0, side - 36):
            image = np.full((side, side, 3), 255, np.uint8)
            image[top : top + 36, left : left + 36] = drawing
            (one,) = explain(encoder, image, texts=["tiger face"], classes=["tiger face"])
            strength = one.map.clip(min=0)
            rows, columns = strength.sum(axis=1), strength.sum(axis=0)
            places = np.arange(side)
            assert (rows @ places / rows.sum() > side / 2) == (top > 0)
            assert (columns @ places / columns.sum() > side / 2) == (left > 0)
