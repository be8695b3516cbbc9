"""Layers made by hand, as a tracer would give them, for drawings and pages."""

from __future__ import annotations

from typing import Any

from visavis.inspection.anatomy.tree import INPUT, Layer

TOKENS = (50, 768)


def layer(name: str, kind: str, shape: tuple[int, ...] | None, *sources: str, **given: Any) -> Layer:
    """A module that costs nothing, unless `given` says otherwise; operations are those in lower case."""
    values = {
        "macs": 0,
        "is_module": not kind.islower(),
        "params": sum(child.params for child in given.get("children", ())),
        "input_shapes": () if shape is None else (shape,),
    }
    return Layer(name=name, kind=kind, output_shape=shape, sources=sources, **{**values, **given})


def bottleneck(name: str = "layer2.0", projected: bool = True, field: int | None = None) -> Layer:
    """The first block of ResNet-50's second stage, or one without a projection; `field` is what its end sees."""
    into, narrow, out = (256 if projected else 512, 28 * (2 if projected else 1)), 128, 512

    def conv(short: str, source: str, said: str, params: int, channels: int, side: int) -> Layer:
        return layer(f"{name}.{short}", "Conv2d", (channels, side, side), source, settings=said, params=params)

    def norm(short: str, source: str, channels: int, side: int) -> Layer:
        shape = (channels, side, side)
        return layer(f"{name}.{short}", "BatchNorm2d", shape, source, settings=f"{channels}", params=2 * channels)

    wide, side = into[1], 28
    projection = (
        conv("downsample.0", INPUT, "1×1, 256 to 512, stride 2", 131072, out, side),
        norm("downsample.1", f"{name}.downsample.0", out, side),
    )
    shortcut = (
        layer(f"{name}.downsample", "Sequential", (out, side, side), INPUT, children=projection)
        if projected
        else layer(f"{name}.downsample", "Identity", (out, side, side), INPUT)
    )
    steps = (
        conv("conv1", INPUT, f"1×1, {into[0]} to 128", 128 * into[0], narrow, wide),
        norm("bn1", f"{name}.conv1", narrow, wide),
        layer(f"{name}.relu", "ReLU", (narrow, wide, wide), f"{name}.bn1"),
        conv("conv2", f"{name}.relu", "3×3, 128 to 128, stride 2", 147456, narrow, side),
        norm("bn2", f"{name}.conv2", narrow, side),
        layer(f"{name}.relu2", "ReLU", (narrow, side, side), f"{name}.bn2"),
        conv("conv3", f"{name}.relu2", "1×1, 128 to 512", 65536, out, side),
        norm("bn3", f"{name}.conv3", out, side),
        shortcut,
        layer(f"{name}.add", "add", (out, side, side), f"{name}.bn3", f"{name}.downsample"),
        layer(f"{name}.relu3", "ReLU", (out, side, side), f"{name}.add", receptive_field=field),
    )
    shape = (into[0], wide, wide)
    return layer(name, "Bottleneck", (out, side, side), INPUT, children=steps, input_shapes=(shape,), macs=1000)


def transformer_block(name: str = "transformer.resblocks.0", source: str = INPUT) -> Layer:
    """A pre-norm block of ViT-B/32, its attention and its feed-forward network with their insides."""
    attn, mlp = f"{name}.attn", f"{name}.mlp"
    inside = (
        layer(f"{attn}.linear", "linear", (50, 2304), INPUT, settings="768 to 2304", macs=88_473_600),
        layer(f"{attn}.attention", "scaled_dot_product_attention", TOKENS, f"{attn}.linear", macs=3_840_000),
        layer(f"{attn}.out_proj", "Linear", TOKENS, f"{attn}.attention", params=590592, macs=29_491_200),
    )
    feed = (
        layer(f"{mlp}.c_fc", "Linear", (50, 3072), INPUT, settings="768 to 3072", params=2362368),
        layer(f"{mlp}.activation", "QuickGELU", (50, 3072), f"{mlp}.c_fc"),
        layer(f"{mlp}.c_proj", "Linear", TOKENS, f"{mlp}.activation", settings="3072 to 768", params=2360064),
    )
    steps = (
        layer(f"{name}.ln_1", "LayerNorm", TOKENS, INPUT, settings="768", params=1536),
        layer(attn, "Attention", TOKENS, f"{name}.ln_1", settings="12 heads of 64", params=2362368, children=inside),
        layer(f"{name}.add", "add", TOKENS, INPUT, attn),
        layer(f"{name}.ln_2", "LayerNorm", TOKENS, f"{name}.add", settings="768", params=1536),
        layer(mlp, "MLP", TOKENS, f"{name}.ln_2", children=feed),
        layer(f"{name}.add2", "add", TOKENS, f"{name}.add", mlp),
    )
    return layer(name, "Block", TOKENS, source, children=steps, macs=357_000_000)
