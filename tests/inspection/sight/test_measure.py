"""Everything on one network, for every kind of network; and the command that draws it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from visavis.inspection.sight.measure import Pictures, measure
from visavis.inspection.sight.norms import norms_of


def seen(encoder, pictures, **known):
    said = []
    sight = measure(
        encoder,
        Pictures(name="drawings", samples=pictures, shown=pictures[1], **known),
        lambda stage, done, total: said.append((stage, done, total)),
    )
    return sight, said


@pytest.mark.parametrize(
    ("kind", "kinds_of_reach", "maps", "patches"),
    [
        ("resnet", {"theoretical", "effective"}, None, None),
        ("clip-resnet", {"theoretical", "effective"}, (1, 4, 2, 2), 4),
        ("vit", {"theoretical", "effective", "attention"}, (3, 2, 4, 4), 16),
        ("clip-vit", {"theoretical", "effective", "attention"}, (4, 2, 4, 4), 16),
    ],
)
def test_every_family(encoder_of, drawings, kind, kinds_of_reach, maps, patches):
    encoder = encoder_of(kind)
    sight, said = seen(encoder, drawings, labels=["cat", "dog", "fox"] * 4)
    assert (sight.model, sight.data, sight.n_images, sight.image_size) == (kind, "drawings", 12, encoder.image_size)
    assert {reach.kind for reach in sight.reaches} == kinds_of_reach
    for reach in sight.reaches:
        assert 0 < reach.depth <= 1
        assert 0 < reach.pixels < math.inf
        if reach.kind == "effective":
            assert reach.pixels <= encoder.image_size
        assert len(reach.heads) == len(reach.entropy) == (2 if reach.kind == "attention" else 0)
        assert np.mean(reach.heads or [reach.pixels]) == pytest.approx(reach.pixels)
    assert (sight.attention and sight.attention.maps.shape) == maps
    assert (sight.positions is not None and len(sight.positions)) == (patches or False)
    assert sight.first_layer.layer == "conv1"
    np.testing.assert_array_equal(sight.picture, encoder.preprocessing.pixels(drawings[1]))
    for ablation in sight.ablations:
        assert -1 <= ablation.low <= ablation.cosine <= ablation.high <= 1
        change, low, high = ablation.accuracy
        assert -100 <= low <= change <= high <= 100
    how = "texts of the labels" if kind.startswith("clip") else "the nearest class mean"
    assert sight.notes == (f"What its parts are worth is measured on 12 images, accuracy by {how}.",)
    assert {stage for stage, _, _ in said} >= {f"fields of {kind}", f"attention of {kind}", f"parts of {kind}"}
    assert all(done <= total for _, done, total in said)


def test_what_is_theoretical_is_what_the_table_of_layers_says(encoder_of, drawings):
    from visavis.inspection.anatomy.anatomy import inspect

    encoder = encoder_of("resnet")
    sight, _ = seen(encoder, drawings[:2])
    known = {layer.name: layer.receptive_field for layer in inspect(encoder).towers[0].root.walk()}
    kinds = ("theoretical", "effective")
    reaches = {kind: {reach.layer: reach.pixels for reach in sight.reaches if reach.kind == kind} for kind in kinds}
    assert reaches["theoretical"] == {name: known[name] for name in reaches["theoretical"]}
    for name, side in reaches["effective"].items():
        assert side <= reaches["theoretical"][name]


def test_one_image_without_labels(encoder_of, drawings):
    pictures = Pictures(name="one", samples=drawings[:1], shown=drawings[0])
    sight = measure(encoder_of("clip-vit"), pictures, lambda *_: None)
    assert sight.ablations == ()
    assert sight.notes == ("What its parts are worth is not measured: that needs at least two images.",)
    assert sight.norms.keys() == {"image embedding", "text embedding", "logit scale"}


def test_the_same_twice(encoder_of, drawings):
    first, _ = seen(encoder_of("vit"), drawings, labels=["a", "b"] * 6)
    again, _ = seen(encoder_of("vit"), drawings, labels=["a", "b"] * 6)
    assert first.reaches == again.reaches
    assert first.ablations == again.ablations


class Manual(nn.Module):
    """Attention written out, which nothing can listen to."""

    class SelfAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(8, 8)

        def forward(self, x):
            return (self.mix(x) @ x.transpose(1, 2)).softmax(-1) @ x

    def __init__(self):
        super().__init__()
        self.patches, self.attention = nn.Conv2d(3, 8, 4, stride=4), self.SelfAttention()

    def forward(self, images):
        return self.attention(self.patches(images).flatten(2).transpose(1, 2))


def test_attention_that_cannot_be_heard_is_told(wrap, drawings):
    sight, _ = seen(wrap(Manual()), drawings)
    assert sight.attention is None
    assert sight.notes[0] == (
        "Attention is not measured: the network computes it without PyTorch's scaled_dot_product_attention."
    )
    assert sight.ablations == ()
    assert sight.notes[1:] == ("What its parts are worth is not measured: no part of it can be taken away by itself.",)


class Deciding(nn.Module):
    """Cannot be taken apart without its numbers."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, images):
        return self.two(self.one(images) if bool(images.sum() > 1e9) else self.one(images) * 2)


def test_a_network_that_cannot_be_taken_apart_still_shows_what_its_modules_see(wrap, drawings):
    sight, _ = seen(wrap(Deciding()), drawings)
    assert [(reach.layer, reach.kind, reach.depth) for reach in sight.reaches] == [
        ("one", "effective", 0.5),
        ("two", "effective", 1.0),
    ]
    assert [reach.pixels for reach in sight.reaches] == pytest.approx([3, 5], abs=0.6)


def test_lengths_by_hand():
    class Reads:
        has_text, logit_scale = True, 50.0

        def encode_texts(self, texts):
            self.texts = texts
            return np.array([[0.0, 2.0]] * len(texts))

    encoder = Reads()
    norms = norms_of(encoder, np.array([[3.0, 4.0], [3.0, -4.0]]), ["cat", "dog"], ("a {}", "no {}"))
    assert encoder.texts == ["a cat", "no cat", "a dog", "no dog"]
    # unit images (0.6, 0.8) and (0.6, -0.8) have the mean (0.6, 0), texts (0, 1)
    assert norms == {
        "image embedding": 5.0,
        "text embedding": 2.0,
        "modality gap": pytest.approx(math.hypot(0.6, 1)),
        "logit scale": 50.0,
    }
    assert "modality gap" not in norms_of(encoder, np.ones((2, 2)), [], ())
    assert encoder.texts[0] == "a photo of a dog."
    norms_of(encoder, np.ones((2, 2)), [str(number) for number in range(1000)], ())
    assert len(encoder.texts) <= 64


def test_the_command_measures_a_folder_and_shows_a_picture(visavis, tmp_path):
    random = np.random.default_rng(0)
    for label in ("dog", "cat"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((70, 90))
            picture.save(tmp_path / "photos" / label / f"{number}.png")
    shown = tmp_path / "photos" / "dog" / "1.png"
    done = visavis(
        "inspect", "ViT-mini-8.emoji", "resnet-mini.emoji", "--data", tmp_path / "photos", "--image", shown,
        "--out", tmp_path / "page",
    )  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "page" / "anatomy.json").read_text("utf-8"))
    vit, resnet = record["sights"]
    assert (vit["model"], resnet["model"]) == ("ViT-mini-8.emoji", "resnet-mini.emoji")
    assert vit["n_images"] == 6
    assert np.shape(vit["attention"]["maps"]) == (4, 2, 8, 8)
    assert all(one["accuracy"] for one in vit["ablations"])
    pairs = [(one["model_a"], one["model_b"]) for one in record["similarities"]]
    names = ["ViT-mini-8.emoji", "resnet-mini.emoji"]
    assert pairs == [(names[0], names[0]), (names[0], names[1]), (names[1], names[1])]
    assert np.diag(record["similarities"][0]["values"]) == pytest.approx(1, abs=1e-3)
    assert torch.tensor(record["similarities"][1]["floor"]).isfinite().all()


def test_the_command_with_one_picture_alone(visavis, tmp_path):
    Image.new("RGB", (70, 70), "red").save(tmp_path / "red.png")
    done = visavis("inspect", "ViT-mini-8.emoji", "--image", tmp_path / "red.png", "--out", tmp_path / "page")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "page" / "anatomy.json").read_text("utf-8"))
    assert record["similarities"] == []
    assert record["sights"][0]["ablations"] == []
    missing = visavis("inspect", "ViT-mini-8.emoji", "--image", tmp_path / "no.png", "--out", tmp_path / "page")
    assert "no.png" in missing.failed(2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50", False),
        ("resnet50.tv_in1k", True),
        ("ViT-B-32", False),
        ("ViT-B-32.openai@288", True),
        ("ViT-B-32@288", False),
        ("resnet-mini.emoji", True),
        ("timm/resnet18", True),
        ("nothing/resnet18", False),
    ],
)
def test_which_names_stand_for_weights(name, expected):
    from visavis.inspection.opened import has_weights

    assert has_weights(name) is expected
