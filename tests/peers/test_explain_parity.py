"""Explanations beside captum's; of other libraries' networks which methods fit, and maps of the same weights."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from adapting import TOWERS, hugging_face_pair, made_images, saved_open_clip
from comparing import TOLERANCE, pictures, randomised, relative_gap

from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.inspection.explain.explain import explain
from visavis.inspection.explain.grad_cam import grad_cam
from visavis.inspection.explain.maps import mappers_of
from visavis.inspection.explain.occlusion import occlusion

TOKENS = ["relevance", "occlusion", "rollout"]
MAPS = ["grad_cam", "occlusion"]
TIMM = {
    "resnet10t": MAPS,
    "test_convnext": MAPS,
    "test_efficientnet": MAPS,
    "test_vit": TOKENS,
    "test_vit2": ["occlusion"],  # has registers
    "deit_tiny_distilled_patch16_224": ["occlusion"],  # two tokens are read, class and distillation
    "vit_tiny_r_s16_p8_224": TOKENS,  # its patches are a ResNet's places
    "swin_s3_tiny_224": ["occlusion"],  # windows
    "beit_base_patch16_224": ["occlusion"],  # reads the mean of its patches
}


def test_grad_cam_is_captums_on_torchvisions_resnet() -> None:
    torch.manual_seed(0)
    network = randomised(torchvision.models.resnet18(num_classes=7)).requires_grad_(False)
    images = pictures(3, 128)
    for layer in (network.layer4, network.layer3):
        peer = captum.attr.LayerGradCam(network, layer)
        theirs = torch.cat([peer.attribute(images, target=one, relu_attributions=True) for one in range(7)]).detach()
        ours = torch.cat([grad_cam(lambda given, one=one: network(given)[:, one], layer, images) for one in range(7)])
        assert relative_gap(ours, theirs[:, 0]) <= TOLERANCE
        assert float(theirs.max()) > 0


def test_grad_cam_is_captums_before_attention_pooling(tmp_path) -> None:
    peer = saved_open_clip(tmp_path, TOWERS["clip-resnet"], {})
    images, direction = pictures(3, 64), F.normalize(torch.randn(24, generator=torch.Generator().manual_seed(0)), dim=0)

    def cosine(given: torch.Tensor) -> torch.Tensor:
        return peer.encode_image(given, normalize=True) @ direction

    for layer in (peer.visual.layer4, peer.visual.layer2):
        theirs = captum.attr.LayerGradCam(cosine, layer).attribute(images, relu_attributions=True)
        assert relative_gap(grad_cam(cosine, layer, images), theirs[:, 0].detach()) <= TOLERANCE
        assert float(theirs.detach().max()) > 0


def test_occlusion_is_captums_where_its_windows_fit() -> None:
    torch.manual_seed(0)
    network = randomised(torchvision.models.resnet18(num_classes=7)).requires_grad_(False)
    images = pictures(2, 64)
    theirs = captum.attr.Occlusion(network).attribute(
        images, target=2, sliding_window_shapes=(3, 24, 24), strides=(3, 8, 8), baselines=0
    )
    with torch.no_grad():
        ours = occlusion(lambda given: network(given)[:, 2], images, window=24, stride=8)
    for channel in theirs.unbind(dim=1):  # captum's windows reach through all three
        assert relative_gap(ours, channel.float()) <= TOLERANCE


@pytest.mark.parametrize("name", TIMM)
def test_methods_that_fit_timms_networks(name: str) -> None:
    encoder = load(f"timm/{name}", weights=None)
    assert list(mappers_of(encoder)) == TIMM[name]
    image = made_images()[5]
    (made,) = explain(encoder, image)
    assert made.method == TIMM[name][0]
    assert np.isfinite(made.map).all()
    assert made.map.shape == (encoder.image_size,) * 2
    for other in set(TOKENS + MAPS) - set(TIMM[name]):
        with pytest.raises(UsageError, match=f"'{other}' does not fit"):
            explain(encoder, image, method=other)


@pytest.mark.parametrize(("kind", "fitting"), [("clip-vit", TOKENS), ("clip-resnet", MAPS), ("clip-other", MAPS)])
def test_open_clips_networks(kind: str, fitting: list[str], tmp_path) -> None:
    saved_open_clip(tmp_path, TOWERS[kind], {})
    encoder = load(f"open_clip/local-dir:{tmp_path}")
    assert list(mappers_of(encoder)) == fitting
    image = made_images()[5]
    made = {method: explain(encoder, image, ["two dogs"], method=method)[0] for method in fitting}
    assert all(np.isfinite(one.map).all() and one.map.std() > 0 for one in made.values())
    if kind == "clip-other":
        return
    ours = load(tmp_path)  # the same weights in our own network
    for method, theirs in made.items():
        (one,) = explain(ours, image, ["two dogs"], method=method)
        assert one.score == pytest.approx(theirs.score, abs=1e-5)
        assert relative_gap(torch.from_numpy(one.map), torch.from_numpy(theirs.map)) <= 10 * TOLERANCE
        assert one.words
        assert not theirs.words  # whose tokens cannot be spelled here


@pytest.mark.parametrize(("kind", "fitting"), [("clip", TOKENS), ("siglip", ["occlusion"])])
def test_hugging_faces_networks(kind: str, fitting: list[str], tmp_path, openai_tokenizer_module) -> None:
    hugging_face_pair(kind, tmp_path, openai_tokenizer_module)
    encoder = load(f"hf/{tmp_path}")
    assert list(mappers_of(encoder)) == fitting
    (made,) = explain(encoder, made_images()[5], ["two dogs"])
    assert made.method == fitting[0]
    assert made.map.std() > 0
