"""Less arithmetic, the same vectors: networks with norms that do something, against their own plain forward."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from visavis.engine.engines.choose import torch_engine
from visavis.engine.engines.lean import lean_tower
from visavis.engine.engines.network import Network
from visavis.models.clip_resnet import CLIPResNet, CLIPResNetConfig
from visavis.models.clip_vit import CLIPVisionTransformer, CLIPViTConfig
from visavis.models.resnet import ResNet, ResNetConfig
from visavis.models.vit import VisionTransformer, ViTConfig
from visavis.zoo.preprocess import Preprocess

SIDE, BATCH = 32, 3
MODELS = {
    "basic": lambda: ResNet(ResNetConfig(block="basic", layers=(1, 2, 1, 1), width=8, image_size=SIDE)),
    "bottleneck": lambda: ResNet(ResNetConfig(block="bottleneck", layers=(1, 2, 1, 1), width=8, image_size=SIDE)),
    "clip-resnet": lambda: CLIPResNet(CLIPResNetConfig(layers=(1, 2, 1, 1), width=8, image_size=SIDE, embed_dim=16)),
    "vit": lambda: VisionTransformer(ViTConfig(image_size=SIDE, patch_size=8, width=32, layers=3, heads=4)),
    "one-block": lambda: VisionTransformer(ViTConfig(image_size=SIDE, patch_size=8, width=32, layers=1, heads=4)),
    "clip-vit": lambda: CLIPVisionTransformer(
        CLIPViTConfig(image_size=SIDE, patch_size=8, width=32, layers=2, heads=4, embed_dim=16, activation="quickgelu")
    ),
}


def network_of(model: nn.Module) -> Network:
    """Every weight and statistic drawn at random, so that no norm is the identity and no bias is nought."""
    generator = torch.Generator().manual_seed(0)
    model.init_weights(generator)  # type: ignore[operator]
    for name, tensor in model.state_dict().items():
        if tensor.dtype == torch.float32 and tensor.ndim == 1:
            drawn = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(0.5 + drawn if name.endswith(("running_var", "weight")) else drawn - 0.5)
    model.eval().requires_grad_(False)
    encode = model.features if isinstance(model, ResNet | VisionTransformer) else model
    return Network(
        name="mine",
        model=model,
        encode=torch.inference_mode()(encode),
        preprocess=Preprocess(image_size=SIDE, resize=SIDE),
        settings="",
        fingerprint=str,
        about={},
    )


@pytest.fixture(scope="module", params=MODELS)
def network(request) -> Network:
    return network_of(MODELS[request.param]())


def images() -> Tensor:
    return torch.randn(BATCH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def test_the_vectors_are_the_same(network):
    wanted = network.encode(images())
    for found in (lean_tower(network)(images()), torch_engine(network, "").encode(images())):
        assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5


def test_the_network_itself_stays_as_it_was(network):
    before = copy.deepcopy(network.model.state_dict())
    names = [name for name, _ in network.model.named_modules()]
    lean_tower(network)(images())
    assert [name for name, _ in network.model.named_modules()] == names
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.model.state_dict().items())


@pytest.mark.parametrize("kind", ["vit", "one-block", "clip-vit"])
def test_the_last_block_works_for_the_class_token_alone(kind):
    network = network_of(MODELS[kind]())
    rows = []
    for block in network.model.transformer.blocks():  # type: ignore[union-attr]
        block.mlp.register_forward_hook(lambda _, given, made: rows.append(made.numel() // 32))
    lean_tower(network)(images())
    tokens = 1 + (SIDE // 8) ** 2
    assert rows == [BATCH * tokens] * (len(rows) - 1) + [BATCH]


@pytest.mark.parametrize("kind", ["basic", "bottleneck", "clip-resnet"])
def test_no_norm_is_left(kind):
    tower = lean_tower(network_of(MODELS[kind]()))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in tower.modules())
    assert all(module.bias is not None for module in tower.modules() if isinstance(module, nn.Conv2d))


def test_a_foreign_network_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plain = Network(
        name="theirs",
        model=model.eval(),
        encode=model,
        preprocess=Preprocess(image_size=SIDE, resize=SIDE),
        settings="",
        fingerprint=str,
        about={},
    )
    assert lean_tower(plain).model is model
    torch.testing.assert_close(lean_tower(plain)(images()), model(images()))
