"""An image tower's vectors with less arithmetic: nothing is computed that nobody reads, norms are folded away.

The one idea: a ViT's vector is its class token's. In the last block the other tokens are read by that one's attention,
and by nobody after it: they need keys and values, but no query, no projection and no feed-forward network. With 12
blocks that is a fourteenth of the arithmetic. A batch norm after a convolution is a scale and a shift of its channels,
which the convolution's own weights can hold (Jacob et al. 2018, section 3.2, folds them so before quantising).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from visavis.engine.engines.network import ImageTower, Network
from visavis.models.clip_resnet import CLIPResNet
from visavis.models.clip_vit import CLIPVisionTransformer
from visavis.models.resnet import ResNet
from visavis.models.transformer import Attention, Transformer
from visavis.models.vit import VisionTransformer, embed_patches

Residual = TypeVar("Residual", ResNet, CLIPResNet)


def lean_tower(network: Network) -> ImageTower:
    """A module with the network's vectors, up to rounding; one that is not of our families stays as it is.

    Args:
        network: In evaluation mode. A ResNet is copied, as its convolutions change; a ViT keeps its own weights.
    """
    model = network.model
    encode: Callable[[Tensor], Tensor] = network.encode
    if isinstance(model, CLIPVisionTransformer):
        encode = partial(_clip_vit, model, project=not network.ends_before_projection)
    elif isinstance(model, VisionTransformer):
        encode = partial(_vit, model)
    elif isinstance(model, CLIPResNet):
        model = fold_norms(model)
        encode = model.features if network.ends_before_projection else model
    elif isinstance(model, ResNet):
        model = fold_norms(model)
        encode = model.features
    return ImageTower(model, encode).eval()


def _clip_vit(tower: CLIPVisionTransformer, images: Tensor, project: bool) -> Tensor:
    x = embed_patches(images, tower.conv1, tower.class_embedding)  # [batch, 1 + patches, width]
    x = tower.ln_pre(x + tower.positional_embedding)
    features = tower.ln_post(_class_token(tower.transformer, x))  # [batch, width]
    return tower.project(features) if project else features


def _vit(tower: VisionTransformer, images: Tensor) -> Tensor:
    x = embed_patches(images, tower.conv1, tower.class_embedding) + tower.positional_embedding
    return tower.ln_post(_class_token(tower.transformer, x))  # [batch, width]


def _class_token(transformer: Transformer, x: Tensor) -> Tensor:
    """The first token [batch, width] after all blocks, of tokens [batch, tokens, width]."""
    *earlier, last = transformer.blocks()
    for block in earlier:
        x = block(x)
    token = x[:, 0] + _attend_first(last.attn, last.ln_1(x))  # [batch, width]
    return token + last.mlp(last.ln_2(token))


def _attend_first(attention: Attention, x: Tensor) -> Tensor:
    """What the first token takes from all of them, [batch, width]."""
    batch, tokens, width = x.shape
    weight_q, weight_kv = attention.in_proj_weight.split([width, 2 * width])
    bias_q, bias_kv = attention.in_proj_bias.split([width, 2 * width])
    query = F.linear(x[:, :1], weight_q, bias_q).view(batch, 1, attention.heads, -1).transpose(1, 2)
    both = F.linear(x, weight_kv, bias_kv).view(batch, tokens, 2, attention.heads, -1)
    key, value = both.permute(2, 0, 3, 1, 4)  # each [batch, heads, tokens, head_width]
    mixed = F.scaled_dot_product_attention(query, key, value)  # [batch, heads, 1, head_width]
    return attention.out_proj(mixed.flatten(1))


@torch.no_grad()
def fold_norms(network: Residual) -> Residual:
    """A copy whose batch norms are folded into the convolutions that each follows."""
    folded = copy.deepcopy(network)
    for parent in folded.modules():
        children = list(parent.named_children())  # in the order in which our ResNets apply them
        for (name, convolution), (norm_name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, norm_name, nn.Identity())
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
