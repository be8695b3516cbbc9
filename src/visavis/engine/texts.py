"""Many texts through CLIP's text tower, each distinct beginning computed once.

The one idea: a token sees only itself and those before it, so what the network computes there depends on the text up to
it and on nothing else. Sorted, the texts form a tree of beginnings, and the network runs over the tree's nodes: no
padding, no text twice, and "a photo of a" once for a thousand classes. In attention a node looks at those above it; a
few texts' nodes are taken together, as one sequence with a mask. Many texts are several trees, which processors take
each for itself: that none waits for another after every product is worth a tenth of the time on two cores.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

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
    chunks = distinct.split(CHUNK)
    if len(chunks) == 1:
        return _encode_tree(tower, distinct)[place]
    threads = torch.get_num_threads()
    workers = min(threads, len(chunks))
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,)) as pool:
            return torch.cat(list(pool.map(partial(_encode_tree, tower), chunks)))[place]
    finally:
        torch.set_num_threads(threads)  # what a worker sets is what threads that begin later would have


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """Distinct beginnings of sorted texts, one node each, in the order of the texts; blocks of them for attention.

    Attributes:
        texts, places: Where each node first occurs, int64 [nodes].
        ends: The node of each text's end token, int64 [texts].
        asking: The nodes that a block's texts add, int64 [blocks, most nodes of a block]; 0 where there are fewer.
        seen: They and their ancestors, int64 [blocks, most seen]; likewise.
        mask: Which of the latter each of the former looks at, bool [blocks, 1, most nodes, most seen].
        back: Where each node stands in `asking`, int64 [nodes].
    """

    texts: Tensor
    places: Tensor
    ends: Tensor
    asking: Tensor
    seen: Tensor
    mask: Tensor
    back: Tensor


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
    asking = [torch.arange(first, after) for first, after in pairwise([*firsts, len(texts)])]
    seen, masks = zip(*(_look_up(paths[texts[nodes]], places[nodes]) for nodes in asking), strict=True)
    mask = torch.zeros(len(asking), 1, max(map(len, asking)), max(map(len, seen)), dtype=torch.bool)
    mask[..., 0] = True  # where a block has fewer nodes: no row may look at nothing, and the root is above all
    for whole, part in zip(mask, masks, strict=True):
        whole[0, : part.shape[0], : part.shape[1]] = part
    return _Tree(
        texts=texts,
        places=places,
        ends=paths.gather(1, ends[:, None]).squeeze(1),
        asking=pad_sequence(asking, batch_first=True),
        seen=pad_sequence(list(seen), batch_first=True),
        mask=mask,
        back=torch.cat([number * mask.shape[2] + torch.arange(len(nodes)) for number, nodes in enumerate(asking)]),
    )


def _look_up(paths: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """What nodes on paths [nodes, length] up to their places [nodes] see: int64 [seen] and bool [nodes, seen]."""
    on_path = torch.arange(paths.shape[1]) <= places[:, None]  # [nodes, length]
    seen = paths[on_path].unique()  # sorted
    mask = torch.zeros(len(paths), len(seen), dtype=torch.bool)
    mask[on_path.nonzero()[:, 0], torch.searchsorted(seen, paths[on_path])] = True
    return seen, mask


@torch.inference_mode()  # which holds for a thread alone
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
    blocks, width = len(tree.asking), x.shape[1]
    head_width = width // attention.heads
    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)  # [nodes, 3 * width]
    query = qkv[:, :width].index_select(0, tree.asking.flatten()).view(blocks, -1, attention.heads, head_width)
    seen = qkv[:, width:].index_select(0, tree.seen.flatten()).view(blocks, -1, 2 * attention.heads, head_width)
    key, value = seen.transpose(1, 2).chunk(2, dim=1)  # each [blocks, heads, most seen, head_width]
    mixed = F.scaled_dot_product_attention(query.transpose(1, 2), key, value, attn_mask=tree.mask)
    return mixed.transpose(1, 2).reshape(-1, width).index_select(0, tree.back)
