"""Many texts through CLIP's text tower, each distinct beginning computed once.

The one idea: a token sees only itself and those before it, so what the network computes there depends on the text up to
it and on nothing else. Sorted, the texts form a tree of beginnings. Every linear map, which is nearly all of the
arithmetic, runs over the tree's nodes: no padding, no text twice, and "a photo of a" once for a thousand classes. Only
attention, which mixes along a text, is spread out to texts and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.models.text import TextTransformer
from visavis.models.transformer import Attention

CHUNK = 256  # distinct texts in one tree: enough rows for fast matrix products, and little memory


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
class _Tree:
    """Distinct beginnings of sorted texts, one node each.

    Attributes:
        nodes: The node of each token of each text, int64 [texts, length]; any node behind a text's end.
        texts, places: Where each node first occurs, int64 [nodes].
        ends: The node of each text's end token, int64 [texts].
    """

    nodes: Tensor
    texts: Tensor
    places: Tensor
    ends: Tensor


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
    nodes = numbers.cummax(dim=0).values
    texts, places = new.nonzero(as_tuple=True)
    return _Tree(nodes=nodes, texts=texts, places=places, ends=nodes.gather(1, ends[:, None]).squeeze(1))


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
    along = qkv[tree.nodes]  # [texts, length, 3 * width]
    query, key, value = along.view(*tree.nodes.shape, 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)  # [texts, heads, length, head_width]
    return mixed.transpose(1, 2)[tree.texts, tree.places].reshape(-1, width)
