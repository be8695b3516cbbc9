"""The architecture that tensors tell by their names and shapes: widths, depths, patches, image size, vocabulary.

Heads and activation leave no trace in a shape (only Flax keeps heads apart): here they are 1 and "gelu", to be settled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from visavis.errors import VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config
from visavis.zoo.layouts.layout import Layout
from visavis.zoo.layouts.names import find_family, with_nearest

RESNET_IMAGE_SIZE = 224  # what published ResNets were trained for; they take any size, so no tensor tells


def read_skeleton(layout: Layout, tensors: Mapping[str, Tensor]) -> Config:
    """The configuration whose heads and activation are still open.

    Raises:
        VisavisError: A tensor that tells a size is missing, or its shape is that of no such network.
    """
    shapes = _Shapes(layout, tensors)
    family = find_family(layout, tensors)
    try:
        if family == "supervised-resnet":
            return _resnet(shapes)
        if family == "supervised-vit":
            return _vit(shapes)
        return CLIPConfig(
            visual=_clip_resnet(shapes) if family == "clip-resnet" else _clip_vit(shapes), text=_text(shapes)
        )
    except ValueError as error:
        if isinstance(error, VisavisError):
            raise
        raise VisavisError(
            f"The tensors' shapes are those of no network by {layout.peers}: {error} The file may be damaged, or hold "
            "another kind of network."
        ) from error


def read_heads(layout: Layout, tensors: Mapping[str, Tensor]) -> int | None:
    """Heads of a supervised ViT, where the peer keeps them as an axis, [heads, head_width, width]; else None."""
    kernel = tensors.get(layout.names("transformer.resblocks.0.attn.out_proj.weight")[0])
    return kernel.shape[0] if kernel is not None and kernel.ndim == 3 else None


class _Shapes:
    """Shapes of a peer's tensors, under our names."""

    def __init__(self, layout: Layout, tensors: Mapping[str, Tensor]) -> None:
        self.layout, self.tensors = layout, tensors

    def get(self, name: str, axes: int) -> tuple[int, ...]:
        """The shape of a tensor that must be there, with as many axes."""
        found = self.layout.find(self.tensors, name)
        theirs = self.layout.names(name)[0]
        if found is None and theirs not in self.tensors:
            meaning = "no class token" if name.endswith("class_embedding") else "a part missing"
            raise VisavisError(
                f"This network, by {self.layout.peers}, has {meaning}: there is no "
                f"{with_nearest(theirs, list(self.tensors), 'in the file')}. visavis has networks with all parts only. "
                "Give a whole file of a plain ResNet, ViT or CLIP."
            )
        if found is None or found.ndim != axes:
            raise ValueError(f"{theirs!r} is {list(self.tensors[theirs].shape)}.")
        return tuple(found.shape)

    def has(self, name: str) -> bool:
        return self.layout.names(name)[0] in self.tensors

    def count(self, name: str) -> int:
        """How many blocks there are, counted from 0; `name` has {} in place of the number."""
        number = 0
        while self.has(name.format(number)):
            number += 1
        return number


def _resnet(shapes: _Shapes) -> ResNetConfig:
    width = shapes.get("conv1.weight", 4)[0]
    inner, of_a_group = shapes.get("layer1.0.conv2.weight", 4)[:2]
    bottleneck = shapes.has("layer1.0.conv3.weight")
    groups = _divided(inner, of_a_group, "channels of layer1.0.conv2") if bottleneck else 1
    return ResNetConfig(
        block="bottleneck" if bottleneck else "basic",
        layers=_stages(shapes, ""),
        width=width,
        groups=groups,
        width_per_group=_divided(inner * 64, width * groups, "channels of a group") if bottleneck else 64,
        image_size=RESNET_IMAGE_SIZE,
        num_classes=shapes.get("fc.weight", 2)[0] if shapes.has("fc.weight") else 0,
    )


def _vit(shapes: _Shapes) -> ViTConfig:
    width, _, patch_size, _ = shapes.get("conv1.weight", 4)
    shapes.get("class_embedding", 1)
    return ViTConfig(
        image_size=patch_size * _grid(shapes, "positional_embedding"),
        patch_size=patch_size,
        width=width,
        layers=shapes.count("transformer.resblocks.{}.ln_1.weight"),
        heads=1,
        num_classes=shapes.get("head.weight", 2)[0] if shapes.has("head.weight") else 0,
        mlp_width=_mlp_width(shapes, "", width),
    )


def _clip_resnet(shapes: _Shapes) -> CLIPResNetConfig:
    return CLIPResNetConfig(
        layers=_stages(shapes, "visual."),
        width=shapes.get("visual.layer1.0.conv1.weight", 4)[0],
        image_size=32 * _grid(shapes, "visual.attnpool.positional_embedding"),
        embed_dim=shapes.get("visual.attnpool.c_proj.weight", 2)[0],
    )


def _clip_vit(shapes: _Shapes) -> CLIPViTConfig:
    width, _, patch_size, _ = shapes.get("visual.conv1.weight", 4)
    return CLIPViTConfig(
        image_size=patch_size * _grid(shapes, "visual.positional_embedding"),
        patch_size=patch_size,
        width=width,
        layers=shapes.count("visual.transformer.resblocks.{}.ln_1.weight"),
        heads=1,
        embed_dim=shapes.get("visual.proj", 2)[1],
        mlp_width=_mlp_width(shapes, "visual.", width),
    )


def _text(shapes: _Shapes) -> TextConfig:
    vocab_size, width = shapes.get("text.token_embedding.weight", 2)
    return TextConfig(
        context_length=shapes.get("text.positional_embedding", 2)[0],
        vocab_size=vocab_size,
        width=width,
        layers=shapes.count("text.transformer.resblocks.{}.ln_1.weight"),
        heads=1,
        embed_dim=shapes.get("text.text_projection", 2)[1],
    )


def _stages(shapes: _Shapes, tower: str) -> tuple[int, int, int, int]:
    first, second, third, fourth = (shapes.count(f"{tower}layer{number}.{{}}.conv1.weight") for number in range(1, 5))
    return first, second, third, fourth


def _mlp_width(shapes: _Shapes, tower: str, width: int) -> int | None:
    inner = shapes.get(f"{tower}transformer.resblocks.0.mlp.c_fc.weight", 2)[0]
    return None if inner == 4 * width else inner


def _grid(shapes: _Shapes, name: str) -> int:
    """Places on one side of the square that has positions, the class token's (or the mean's) apart."""
    places = shapes.get(name, 2)[0] - 1
    side = math.isqrt(max(places, 0))
    if side * side != places or not side:
        raise ValueError(
            f"{shapes.layout.names(name)[0]!r} has {places + 1} positions, which is no square grid with one more for "
            "the class token."
        )
    return side


def _divided(whole: int, part: int, what: str) -> int:
    if not part or whole % part:
        raise ValueError(f"{whole} {what} cannot be shared out by {part}.")
    return whole // part
