"""Many texts through CLIP's text tower, each distinct beginning computed once.

The one idea: a token sees only itself and those before it, so what the network computes there depends on the text up to
it and on nothing else. Sorted, the texts form a tree of beginnings, and the network runs over the tree's nodes: no
padding, no text twice, and "a photo of a" once for a thousand classes. In attention a node looks at those above it; a
few texts' nodes are taken together, as one sequence with a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.models.text import TextTransformer
from visavis.models.transformer import Attention

CHUNK = 256  # distinct texts in one tree: enough rows for fast matrix products, and little memory
TOGETHER = 8  # texts whose nodes attend in one product: of more, the mask hides more


@torch.inference_mode()
def encode_tokens(tower: TextTransformer, tokens: Tensor) -> Tensor:
    """The same vectors as `tower(tokens)`, up to rounding.

    Args:
        tower: The network.
        tokens: int64 [texts, context_length]; what follows a text's first end token is not looked at.

    Returns:
        float32 [texts, embed_dim], in order.
    """
    ends = tokens.argmax(dim=1)  # the end token has the highest number
    after = torch.arange(tokens.shape[1]) > ends[:, None]  # [texts, context_length]
    distinct, place = torch.unique(tokens.masked_fill(after, 0), dim=0, return_inverse=True)  # sorted
    vectors = [_encode_tree(tower, chunk) for chunk in distinct.split(CHUNK)]
    return torch.cat(vectors)[place]


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The nodes that a few texts add to the tree, and what they look at.

    Attributes:
        nodes: A slice of the tree's.
        above: Their ancestors and they themselves, int64 [seen].
        mask: Which of those each of them looks at, bool [nodes of the block, seen].
    """

    nodes: slice
    above: Tensor
    mask: Tensor


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """Distinct beginnings of sorted texts, one node each, in the order of the texts.

    Attributes:
        texts, places: Where each node first occurs, int64 [nodes].
        ends: The node of each text's end token, int64 [texts].
        blocks: The nodes, for attention.
    """

    texts: Tensor
    places: Tensor
    ends: Tensor
    blocks: tuple[_Block, ...]


def _grow_tree(tokens: Tensor) -> _Tree:
    """The tree of sorted, distinct texts [texts, length]."""
    ends = tokens.argmax(dim=1)
    begins_like_last = torch.zeros_like(tokens, dtype=torch.bool)
    begins_like_last[1:] = (tokens[1:] == tokens[:-1]).cumprod(dim=1).bool()
    counts = torch.arange(tokens.shape[1]) <= ends[:, None]
    new = counts & ~begins_like_last
    numbers = torch.zeros_like(tokens)
    numbers[new] = torch.arange(int(new.sum()))
    # In its column a text that begins like those above it has the newest of their nodes, which is the highest.
    paths = numbers.cummax(dim=0).values  # [texts, length]; any node behind a text's end
    texts, places = new.nonzero(as_tuple=True)
    firsts = torch.searchsorted(texts, torch.arange(0, len(tokens), TOGETHER)).tolist()
    blocks = tuple(
        _block(slice(first, after), paths[texts[first:after]], places[first:after])
        for first, after in pairwise([*firsts, len(texts)])
    )
    return _Tree(texts=texts, places=places, ends=paths.gather(1, ends[:, None]).squeeze(1), blocks=blocks)


def _block(nodes: slice, paths: Tensor, places: Tensor) -> _Block:
    """A block of nodes, whose paths from the root are [nodes, length] up to their places [nodes]."""
    on_path = torch.arange(paths.shape[1]) <= places[:, None]  # [nodes, length]
    above = paths[on_path].unique()  # sorted
    mask = torch.zeros(len(paths), len(above), dtype=torch.bool)
    mask[on_path.nonzero()[:, 0], torch.searchsorted(above, paths[on_path])] = True
    return _Block(nodes=nodes, above=above, mask=mask)


def _encode_tree(tower: TextTransformer, tokens: Tensor) -> Tensor:
    """Vectors [texts, embed_dim] of sorted, distinct texts."""
    tokens = tokens[:, : int(tokens.argmax(dim=1).max()) + 1]  # [texts, length]
    tree = _grow_tree(tokens)
    x = tower.token_embedding(tokens[tree.texts, tree.places]) + tower.positional_embedding[tree.places]
    *earlier, last = tower.transformer.blocks()
    for block in earlier:  # x: [nodes, width]
        x = x + block.attn.out_proj(_attend(block.attn, block.ln_1(x), tree))
        x = x + block.mlp(block.ln_2(x))
    mixed = _attend(last.attn, last.ln_1(x), tree)
    x = x[tree.ends] + last.attn.out_proj(mixed[tree.ends])  # [texts, width]; nobody reads the other nodes again
    x = x + last.mlp(last.ln_2(x))
    return tower.ln_final(x) @ tower.text_projection


def _attend(attention: Attention, x: Tensor, tree: _Tree) -> Tensor:
    """Attention's mixture for every node, [nodes, width]."""
    width = x.shape[1]
    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)  # [nodes, 3 * width]
    mixed = torch.empty_like(x)
    for block in tree.blocks:
        query = qkv[block.nodes, :width].view(1, -1, attention.heads, width // attention.heads)
        seen = qkv[:, width:].index_select(0, block.above).view(1, len(block.above), 2 * attention.heads, -1)
        key, value = seen.transpose(1, 2).chunk(2, dim=1)  # each [1, heads, seen, head_width]
        found = F.scaled_dot_product_attention(query.transpose(1, 2), key, value, attn_mask=block.mask)
        mixed[block.nodes] = found.transpose(1, 2).reshape(-1, width)
    return mixed
