"""`timm/…` against the living timm: pixels, vectors, scores, costs. All is saved in folders; nothing is fetched."""

from __future__ import annotations

import pytest
import timm
import torch
from adapting import CLASSES, assert_head, compare, made_images
from comparing import randomised
from timm.models import save_for_hf
from torch import Tensor

from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.inspection.cost import count_macs, count_params
from visavis.zoo.opening import imagenet_names


@pytest.fixture(scope="module")
def images() -> list:
    return made_images()


@pytest.mark.parametrize(
    ("architecture", "settings", "family"),
    [
        ("test_resnet", {}, "supervised-resnet"),
        ("test_vit", {"interpolation": "bilinear", "crop_mode": "squash"}, "supervised-vit"),
        ("test_convnext", {"crop_pct": 0.9, "mean": [0.4, 0.5, 0.6]}, "supervised-other"),
        ("test_efficientnet", {"crop_pct": 1.0}, "supervised-other"),
        ("test_vit2", {"num_classes": 0}, "other-vit"),
    ],
)
def test_timm(architecture, settings, family, images, tmp_path):
    classes = settings.pop("num_classes", 5)
    peer = randomised(timm.create_model(architecture, num_classes=classes))
    names = {"label_names": list(CLASSES.values())} if classes else {}
    save_for_hf(peer, tmp_path, model_config=names, data_config=settings, safe_serialization=True)
    encoder = load(f"timm/local-dir:{tmp_path}")
    stated = timm.data.resolve_model_data_config(timm.create_model(f"local-dir:{tmp_path}"))
    assert {key: stated[key] for key in settings} == settings

    def encode(pixels: Tensor) -> Tensor:
        return peer.forward_head(peer.forward_features(pixels), pre_logits=True)

    compare(encoder, images, timm.data.create_transform(**stated), encode)
    assert encoder.family == family
    assert not encoder.has_text
    assert encoder.about["library"] == f"timm {timm.__version__}"
    assert encoder.class_names == (tuple(CLASSES.values()) if classes else None)
    if classes:
        assert_head(encoder, images, peer)
    else:
        assert encoder.head is None


def test_timm_by_name():
    """Fresh weights by name: the same for one seed, others for another, and torch's own generator untouched."""
    before = torch.random.get_rng_state()
    one, same, other = (load("timm/test_resnet", weights=None, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.about == {"seed": 0}
    assert one.class_names is None


def test_imagenet_classes_come_with_the_tag(monkeypatch):
    fresh = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: fresh(name))  # the same, but nothing is fetched
    assert load("timm/test_resnet.r160_in1k").class_names == imagenet_names()
    assert load("timm/resnet18").about["weights"] == "a1_in1k"
    clip = load("timm/resnet50_clip.openai")
    assert (clip.family, clip.head, clip.class_names) == ("clip-resnet", None, None)
    assert load("timm/vit_tiny_patch16_224.augreg_in21k").class_names is None
    assert load("timm/resmlp_12_224.fb_dino").class_names is None  # 1,000 outputs that no labels were learned for


@pytest.mark.parametrize("architecture", ["resnet18", "vit_tiny_patch16_224"])
def test_timm_costs_what_ours_costs(architecture):
    theirs, ours = load(f"timm/{architecture}", weights=None), load(architecture, weights=None)
    assert count_params(theirs.model) == count_params(ours.model)
    assert count_macs(theirs.image_tower, 224) == count_macs(ours.image_tower, 224)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm/resmet50", r"has no model 'resmet50'\. Did you mean resnet50 "),
        ("timm/resnet50.a9_in1k", r"has no weights 'resnet50\.a9_in1k'\. Did you mean resnet50\."),
        ("timm/vit_base_patch16_sapiens2.fb", r"images of 768 x 1024 pixels with 3 channels are not square"),
        ("timm/deepseek_vit_412m", "crop_mode 'border' is none of center, squash"),
    ],
)
def test_names_that_cannot_be_opened(name, words, monkeypatch):
    class Bare(torch.nn.Linear):
        """Stands for a network whose weights would be fetched."""

        def __init__(self, name: str) -> None:
            super().__init__(1, 1)
            self.pretrained_cfg = timm.get_pretrained_cfg(name).to_dict()

    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: Bare(name))
    with pytest.raises(UsageError, match=words):
        load(name)
