"""Multiply-accumulates of operations: by hand, against torch's own counter on real numbers, and where nobody knows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import Called, conv, opened, root_of
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from visavis.inspection.anatomy.counting import count_on_meta
from visavis.inspection.anatomy.tracing import trace_images
from visavis.models.clip import CLIP
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import CLIPConfig, build_model

# Images are [3, 8, 8]; what each network costs is worked out beside it.
BY_HAND = {
    "a convolution": (nn.Conv2d(3, 4, 3), 27 * 4 * 36),  # its bias adds and multiplies nothing
    "with padding and stride": (nn.Conv2d(3, 4, 3, 2, 1), 27 * 4 * 16),
    "dilated": (nn.Conv2d(3, 4, 3, dilation=2), 27 * 4 * 16),
    "depthwise": (nn.Conv2d(3, 6, 3, groups=3), 9 * 6 * 36),
    "transposed": (nn.ConvTranspose2d(3, 4, 2, stride=2), 64 * 3 * 4 * 4),  # each place of the input writes 2 x 2
    "along one axis": (Called(lambda x, a: a(x.flatten(2)), a=nn.Conv1d(3, 4, 5)), 15 * 4 * 60),
    "along three": (Called(lambda x, a: a(x.unsqueeze(2)), a=nn.Conv3d(3, 4, (1, 3, 3))), 27 * 4 * 36),
    "linear": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), 192 * 5),
    "linear on each place": (Called(lambda x, a: a(x.permute(0, 2, 3, 1)), a=nn.Linear(3, 5)), 64 * 3 * 5),
    "a matrix by a matrix": (Called(lambda x: x[0, 0] @ x[0, 1]), 8**3),
    "batches of matrices": (Called(lambda x: x @ x.mT), 3 * 8**3),
    "a matrix by a vector": (Called(lambda x: x[0, 0] @ x[0, 1, 0]), 64),
    "a vector by a vector": (Called(lambda x: x[0, 0, 0] @ x[0, 0, 1]), 8),
    "a sum of products": (Called(lambda x: torch.einsum("bchw,bdhw->bcd", x, x)), 9 * 64),
    # One head, 64 queries of width 3 and 64 keys: the weights, then what they sum.
    "attention": (Called(lambda x: F.scaled_dot_product_attention(*[x.flatten(2).mT] * 3)), 2 * 64 * 64 * 3),
    "attention to other values": (
        Called(
            lambda x, a: F.scaled_dot_product_attention(*[x.flatten(2).mT] * 2, a(x).flatten(2).mT), a=conv(3, 5, 1)
        ),
        64 * 64 * (3 + 5) + 64 * 15,
    ),
    # Projections of 64 tokens from 3 to 9 and from 3 to 3; both products in three heads of width 1.
    "torch's attention": (
        Called(lambda x, a: a(*[x.flatten(2).mT] * 3)[0], a=nn.MultiheadAttention(3, 3, batch_first=True)),
        64 * 3 * 12 + 2 * 64 * 64 * 3,
    ),
    # Eight rows of 24 numbers; four gates read 24 inputs and 5 of before.
    "a recurrent layer": (
        Called(lambda x, a: a(x.transpose(1, 2).flatten(2))[0], a=nn.LSTM(24, 5, batch_first=True)),
        8 * 4 * 5 * (24 + 5),
    ),
    "three gates": (
        Called(lambda x, a: a(x.transpose(1, 2).flatten(2))[0], a=nn.GRU(24, 5, batch_first=True)),
        8 * 3 * 5 * (24 + 5),
    ),
    "twice the same layer": (Called(lambda x, a: a(a(x)), a=conv(3, 3, 3)), 27 * 3 * (36 + 16)),
    "norms, activations, pooling": (
        nn.Sequential(
            nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.GroupNorm(3, 3), nn.GELU(), nn.AvgPool2d(2), nn.Softmax(1)
        ),
        0,
    ),
    "a normed weight": (nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), 27 * 4 * 36),
    "nothing at all": (nn.Identity(), 0),
    "a library's parallel wrapper": (nn.DataParallel(nn.Conv2d(3, 4, 3)), 27 * 4 * 36),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    network, macs = BY_HAND[name]
    anatomy = opened(network)
    assert anatomy.macs == macs
    assert count_on_meta(network, 8).macs == macs
    assert anatomy.notes == () or "image size" in anatomy.notes[0]


UNKNOWN = {  # what computes, and has no rule
    "_fft_r2c": Called(lambda x: torch.fft.rfft2(x).abs()),
    "_linalg_svd": Called(torch.linalg.svdvals),
    "_cdist_forward": Called(lambda x: torch.cdist(x, x)),
    "_trilinear": Called(lambda x, a: a(x.mean((2, 3)), x.amax((2, 3))), a=nn.Bilinear(3, 3, 5)),
    "grid_sampler_2d": Called(lambda x: F.grid_sample(x, x[:, :2].permute(0, 2, 3, 1), align_corners=False)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_is_never_zero(name):
    """Neither for the operation, nor for anything that it is a part of; what stands beside it keeps its count."""
    network = Called(lambda x, a, b: b(a(x)), a=conv(3, 3, 1), b=UNKNOWN[name])
    anatomy = opened(network)
    root = anatomy.towers[0].root
    assert anatomy.macs is root.macs is root.find("b").macs is None
    assert root.unknown == root.find("b").unknown == (name,)
    assert root.find("a").macs == 9 * 64
    assert anatomy.notes == (
        f"Multiply-accumulates of the image tower are not known: there is no rule to count {name}.",
    )
    assert anatomy.growth == ()
    rows = anatomy.layers.set_index("name")
    assert rows["macs"].isna().tolist() == rows["flops"].isna().tolist()
    assert rows.loc["a", "flops"] == 2 * 9 * 64
    counting = count_on_meta(network, 8)
    assert counting.macs is None
    assert counting.unknown == {name: 1}


@torch.library.custom_op("visavis_tests::scale", mutates_args=())
def scale(images: Tensor) -> Tensor:
    return images * 2


@torch.library.custom_op("visavis_tests::relu", mutates_args=())
def relu(images: Tensor) -> Tensor:
    return images * 3


@scale.register_fake
@relu.register_fake
def _(images):
    return torch.empty_like(images)


def test_operations_of_ones_own_are_unknown():
    """One of them is called as one of torch's that is free."""
    assert root_of(lambda x: scale(x) + relu(x)).unknown == ("relu", "scale")


def flop_counter(network: nn.Module, *given: Tensor) -> int:
    """Half of what torch counts while the network computes."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network.eval()(*given)
    return counter.get_total_flops() // 2


@pytest.fixture(autouse=True)
def _no_fused_encoder():
    """Torch's counter does not see into the one operation that torch has for a whole encoder layer."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


TEXT = TextConfig(context_length=16, vocab_size=600, width=24, layers=2, heads=2, embed_dim=12)
CONFIGS = [
    ResNetConfig(block="basic", layers=(1, 2, 1, 1), width=8, image_size=64, num_classes=5),
    ResNetConfig(block="bottleneck", layers=(1, 2, 1, 1), width=16, groups=4, width_per_group=16, image_size=64),
    ViTConfig(image_size=32, patch_size=8, width=32, layers=3, heads=2, num_classes=5),
    CLIPConfig(visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=8, image_size=64, embed_dim=12), text=TEXT),
    CLIPConfig(visual=CLIPViTConfig(image_size=32, patch_size=8, width=32, layers=4, heads=2, embed_dim=12), text=TEXT),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(getattr(config, "visual", config)).__name__)
def test_the_families_as_torchs_counter_counts_them(config):
    model = build_model(config)
    anatomy = opened(model, config.image_size)
    images = torch.rand(1, 3, config.image_size, config.image_size)
    if isinstance(model, CLIP):
        assert anatomy.macs == flop_counter(model.visual, images)
        assert anatomy.text_macs == flop_counter(model.text, torch.ones(1, 16, dtype=torch.long))
    else:
        assert anatomy.macs == flop_counter(model, images)


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    """Convolutions of all kinds, then attention, then a head."""
    groups = draw(st.sampled_from([1, 3]))
    width = 6 * draw(st.integers(1, 3))
    first = nn.Conv2d(3, width, draw(st.integers(1, 4)), draw(st.integers(1, 2)), 1, groups=groups)
    second = draw(
        st.sampled_from([nn.Conv2d(width, width, 3, 2), nn.ConvTranspose2d(width, width, 2, 2), nn.AvgPool2d(2)])
    )
    heads = draw(st.sampled_from([1, 2, 3, 6]))
    block = nn.TransformerEncoderLayer(width, heads, 2 * width, batch_first=True, norm_first=draw(st.booleans()))
    head = nn.Linear(width, draw(st.integers(1, 9)))
    return Called(
        lambda x, first, second, block, head: head(block(second(first(x)).flatten(2).mT).mean(1)),
        first=first,
        second=second,
        block=block,
        head=head,
    )


@settings(max_examples=20, deadline=None)
@given(networks(), st.integers(8, 20))
def test_any_network_as_torchs_counter_counts_it(network, side):
    expected = flop_counter(network, torch.rand(1, 3, side, side))
    root = trace_images(network, side).root
    assert root.macs == expected
    counting = count_on_meta(network, side)
    assert counting.known == expected
    _, height, width = root.find("second").output_shape
    assert counting.attention == 2 * (height * width) ** 2 * network.head.in_features


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_cost_as_much(dtype):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.append(nn.Linear(4, 2))
    expected = opened(network)
    anatomy = opened(network.to(dtype))
    assert anatomy.layers.equals(expected.layers)
    assert anatomy.growth == expected.growth
    assert anatomy.growth
