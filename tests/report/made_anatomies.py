"""Small networks, taken apart by hand, and measurements made up from a seed: all that the page can show."""

from __future__ import annotations

from typing import Any

import numpy as np
from made_layers import TOKENS, bottleneck, layer, transformer_block

from visavis.inspection.anatomy.anatomy import Anatomy
from visavis.inspection.anatomy.growth import Growth
from visavis.inspection.anatomy.tree import INPUT, Part, Rule, Tower
from visavis.inspection.sight.records import Ablation, AttentionMaps, FirstLayer, Reach, Sight, Similarity

HOSTILE = '</script></style><img src=x onerror=alert(1)> & "it\'s" {{ 7 * 7 }} \x1b \u202e 🦊 שלום'
LONG = "runs/" + "x" * 150 + ".safetensors"


def resnet(name: str = "resnet-like") -> Anatomy:
    """A stem, two stages, pooling, a head."""
    blocks = (bottleneck(), bottleneck("layer2.1", projected=False, field=99))
    second = layer("layer2", "Sequential", (512, 28, 28), "layer1", children=blocks)
    children = (
        layer("conv1", "Conv2d", (64, 112, 112), INPUT, params=9408, macs=118_013_952, receptive_field=7, stride=2),
        layer("layer1", "Sequential", (256, 56, 56), "conv1", receptive_field=35, macs=None, unknown=("einsum <b>",)),
        second,
        layer("avgpool", "AdaptiveAvgPool2d", (512, 1, 1), "layer2", receptive_field=315),
        layer("fc", "Linear", (1000,), "avgpool", settings="512 to 1000", params=513000, macs=512000),
        layer("spare", "Wondrous", None),
    )
    root = layer("", "ResNet", (1000,), children=children, macs=4_000_000_000, input_shapes=((3, 224, 224),))
    parts = (
        part("stem", "Stem", ("conv1",), (64, 112, 112), 9408, 118_013_952, 0.1),
        part("stage", "Stage 1", ("layer1",), (256, 56, 56), 0, 10, 0.4),
        part("stage", "Stage 2", ("layer2",), (512, 28, 28), second.params, 20, 0.9, block="layer2.0", blocks=2),
        part("pooling", "Average pooling", ("avgpool",), (512,), 0, 0, 0.9),
        part("head", "Head", ("fc",), (1000,), 513000, 512000, 1.0),
    )
    growth = tuple(grown(side, 30 * side**2, 0) for side in (64, 128, 256, 512, 1024))
    tower = Tower(kind="image", input_shape=(3, 224, 224), root=root, parts=parts)
    return anatomy(name, (tower,), growth, number=50)


def vit(name: str = "vit-like", blocks: int = 3) -> Anatomy:
    """Patches, blocks, the class token, a projection; and a text tower."""
    growth = tuple(grown(side, 10 * side**2 + side**3 // 10, side**3 // 10) for side in (64, 128, 256, 512, 1024))
    return anatomy(name, (transformer("image", blocks), transformer("text", 2)), growth, number=12)


def foreign(name: str = "foreign") -> Anatomy:
    """A network without known parts or rules, whose cost is unknown."""
    children = (layer("odd", "Wondrous", (8, 4, 4), INPUT, macs=None), layer("fc", "Linear", (8,), "odd", params=8))
    root = layer("", "Net", (8,), children=children, macs=None, unknown=("fft",))
    tower = Tower(kind="image", input_shape=(3, 32, 32), root=root, parts=())
    return Anatomy(
        name=name, family="other", settings="", towers=(tower,), params=8, rules=(), growth=(), notes=("No parts.",)
    )


def sight(model: str, *, attends: bool = True) -> Sight:
    """All that can be measured; a network without attention has no positions and no maps."""
    random = np.random.default_rng(len(model))
    maps = random.dirichlet(np.ones(16), (3, 2)).reshape(3, 2, 4, 4).astype(np.float32)
    positions = np.cos(np.subtract.outer(np.arange(16), np.arange(16)) / 5).astype(np.float32)
    layers = tuple(f"transformer.resblocks.{number}" for number in range(3))
    kind: Any = "attention" if attends else "effective"
    return Sight(
        model=model,
        image_size=32,
        n_images=64,
        data=HOSTILE,
        reaches=tuple(
            Reach(
                layer=name, depth=(at + 1) / 3, kind=kind, pixels=8.0 * (at + 1), heads=(4.0, 20.0) if attends else ()
            )
            for at, name in enumerate(layers)
        ),
        first_layer=FirstLayer(
            layer="conv1",
            kind="principal components" if attends else "filters",
            pictures=random.integers(0, 256, (12, 5, 5, 3)).astype(np.uint8),
            shares=(0.5, 0.25) if attends else (),
        ),
        positions=positions if attends else None,
        picture=random.integers(0, 256, (32, 32, 3)).astype(np.uint8),
        attention=AttentionMaps(layers=tuple(f"{name}.attn" for name in layers), maps=maps) if attends else None,
        norms={"image embedding": 10.25, "logit scale": 100.0} if attends else {"image embedding": 3.5},
        ablations=(
            Ablation(part="positions", cosine=0.5123, low=0.45, high=0.57, accuracy=(-12.3, -15.0, -9.5)),
            Ablation(part="head 1 of transformer.resblocks.0.attn", cosine=0.987, low=0.98, high=0.99),
        ),
        notes=("Nothing was read aloud.",),
    )


def similarity(a: str, b: str) -> Similarity:
    """CKA that falls with distance."""
    depth = np.linspace(0, 1, 3)
    values = np.exp(-(np.subtract.outer(depth, depth) ** 2)).astype(np.float32)
    layers = tuple(f"transformer.resblocks.{number}" for number in range(3))
    floor = np.full((3, 3), 0.0123, np.float32)
    return Similarity(model_a=a, model_b=b, layers_a=layers, layers_b=layers, values=values, floor=floor, n_images=64)


def transformer(kind: Any, blocks: int) -> Tower:
    names = [f"transformer.resblocks.{number}" for number in range(blocks)]
    inside = tuple(transformer_block(name, INPUT if not at else names[at - 1]) for at, name in enumerate(names))
    first = (
        layer("conv1", "Conv2d", (768, 7, 7), INPUT, settings="32×32, 3 to 768, stride 32", params=2359296)
        if kind == "image"
        else layer("token_embedding", "Embedding", TOKENS, INPUT, params=1000)
    )
    children = (
        first,
        layer("transformer", "Transformer", TOKENS, first.name, children=inside, macs=4_300_000_000),
        layer("ln_post", "LayerNorm", (768,), "transformer", params=1536),
        layer("matmul", "matmul", (512,), "ln_post", macs=393216),
    )
    shape = (3, 224, 224) if kind == "image" else (77,)
    root = layer("", "Tower", (512,), children=children, macs=4_400_000_000, input_shapes=(shape,))
    stem = "Patch embedding" if kind == "image" else "Token embedding"
    parts = (
        part("stem", stem, (first.name,), TOKENS, first.params + 50 * 768, 115_605_504, 0.02),
        part(
            "stage",
            f"{blocks} blocks",
            ("transformer",),
            TOKENS,
            3000,
            4_300_000_000,
            0.98,
            block=names[0],
            blocks=blocks,
        ),
        part("pooling", "Class token", ("ln_post",), (768,), 1536, 0, 0.98),
        part("head", "Projection", ("matmul",), (512,), 393216, 393216, 1.0),
    )
    return Tower(kind=kind, input_shape=shape, root=root, parts=parts)


def anatomy(name: str, towers: tuple[Tower, ...], growth: tuple[Growth, ...], number: int) -> Anatomy:
    rule = Rule(number=number, says="what is counted", sum="1 + 3 × 16 + 1", layers=("conv1",), source="He et al. 2016")
    return Anatomy(
        name=name,
        family="other",
        settings="blocks 1, 2; 224 px",
        towers=towers,
        params=sum(tower.root.params for tower in towers),
        rules=(rule,),
        growth=growth,
        notes=(),
    )


def part(role: Any, title: str, layers: tuple[str, ...], shape: tuple[int, ...], *counted: float, **block: Any) -> Part:
    """`counted` are params, macs and depth."""
    params, macs, depth = counted
    numbers: dict[str, Any] = {"params": params, "macs": macs, "depth": depth}
    return Part(role=role, title=title, layers=layers, output_shape=shape, **numbers, **block)


def grown(side: int, macs: int, attention: int) -> Growth:
    return Growth(image_size=side, tokens_or_places=(side // 32) ** 2, macs=macs, attention_macs=attention)
