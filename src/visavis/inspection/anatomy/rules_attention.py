"""What attention costs beside the weights, as rules on the tree at hand."""

from __future__ import annotations

import math

from visavis.inspection.anatomy.parts import is_weighted
from visavis.inspection.anatomy.tree import Layer, Rule, Tower

PRODUCTS = "scaled_dot_product_attention"
VASWANI = "Vaswani et al. 2017, Attention Is All You Need, section 3.2"
RADFORD = "Radford et al. 2021, Learning Transferable Visual Models, section 2.4"


def holds_attention(layer: Layer) -> bool:
    """Whether anything in a layer is an attention."""
    return any("attention" in inner.kind.lower() for inner in layer.walk())


def products(tower: Tower) -> Rule | None:
    """Attention's two products, which have no weights: 2 x tokens x tokens x width in each block."""
    found = [layer for layer in tower.root.walk() if layer.kind == PRODUCTS and layer.macs]
    total = tower.root.macs
    if total is None or len({layer.input_shapes for layer in found}) != 1:
        return None
    query, key = found[0].input_shapes[:2] if len(found[0].input_shapes) > 1 else (found[0].input_shapes[0],) * 2
    macs = sum(layer.macs or 0 for layer in found)
    return Rule(
        number=macs,
        says="Multiply-accumulates of attention's two products, queries by keys and weights by values. They have no "
        "parameters, and a counter that sees modules alone misses them: "
        f"{giga(total - macs)} in place of {giga(total)}.",
        sum=f"2 x {query[-2]} x {key[-2]} x {_width(found[0])} x {len(found)}",
        layers=tuple(layer.name for layer in found),
        source=VASWANI,
    )


def overtaking(tower: Tower, block: Layer) -> Rule | None:
    """The image's side from which a block's products cost more than its weights.

    With n tokens of width w the products cost 2 n^2 w, and the weights n times what they cost for one token.
    """
    product = next((layer for layer in block.walk() if layer.kind == PRODUCTS and layer.macs), None)
    patches = next((layer for layer in tower.root.walk() if layer.stride and is_weighted(layer)), None)
    if product is None or patches is None or patches.stride is None or block.macs is None:
        return None
    per_token = (block.macs - (product.macs or 0)) // block.input_shapes[0][0]
    tokens = per_token / (2 * _width(product))
    side = patches.stride * math.ceil(math.sqrt(tokens))
    return Rule(
        number=side,
        says="Pixels of the image's side from which attention's two products cost more than all weights of a block. "
        "The products grow with the square of the tokens, the weights with the tokens; they are level at "
        f"{tokens:,.0f} tokens.",
        sum=f"{patches.stride} x sqrt({per_token:,} / (2 x {_width(product)}))",
        layers=(block.name,),
        source=VASWANI,
    )


def one_query(tower: Tower) -> Rule | None:
    """What attention pooling saves by asking one question, the mean's, in place of one for every place."""
    product = next((one for one in tower.root.walk() if one.kind == PRODUCTS and one.input_shapes[0][-2] == 1), None)
    total = tower.root.macs
    if product is None or total is None:
        return None
    places = product.input_shapes[1][-2]
    pool = tower.root.find(product.name.rpartition(".")[0])
    asked = [
        layer for layer in pool.children if layer.macs and math.prod(layer.output_shape or ()) < _width(product) * 2
    ]
    each = sum(layer.macs or 0 for layer in asked)
    return Rule(
        number=(places - 1) * each,
        says=f"Multiply-accumulates saved in attention pooling: of {places} queries only the mean's gives the "
        f"embedding, and only it is computed here. Code that computes all of them, as OpenAI's and open_clip's does, "
        f"needs {giga(total + (places - 1) * each)} in place of {giga(total)} for the same embedding.",
        sum=f"{places - 1} x {each:,}",
        layers=tuple(layer.name for layer in asked),
        source=RADFORD,
    )


def giga(macs: int) -> str:
    """A count with its prefix, to two digits behind the point."""
    return f"{macs / 1e9:.2f} G" if macs >= 1e9 else f"{macs / 1e6:.2f} M"


def _width(product: Layer) -> int:
    """Of all heads of an attention together; its first input is [heads, tokens, head_width]."""
    shape = product.input_shapes[0]
    return shape[0] * shape[-1]
