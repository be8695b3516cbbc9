"""The peers' names, one table a peer.

Sources: the peers' own classes and writers in openai/CLIP, open_clip 3.3, transformers 5.23 (`save_pretrained`; older
files agree with it), timm 1.0.31, torchvision 0.29, google-research/vision_transformer and big_vision (read through
timm's `_load_weights`).
"""

from __future__ import annotations

from types import MappingProxyType

from visavis.zoo.layouts.layout import (
    FLAX_CONVOLUTION,
    FLAX_OUT_KERNEL,
    FLAX_QKV_BIAS,
    FLAX_QKV_KERNEL,
    ONE_AXIS_MORE,
    TRANSPOSED,
    TWO_AXES_MORE,
    Layout,
    Rename,
    Reshape,
    Sign,
)

_LAYER_SCALE = r"\.ls_?\d\.gamma$|\.gamma_\d$|\.lambda_?\d$|layer_scale"
_VIT_OTHERS = (
    Sign(
        r"(^|\.)dist(illation)?_token$|(^|\.)(head_dist|distillation_classifier)\.", "a distilled DeiT's second token"
    ),
    Sign(r"^fc_norm\.", "a norm after averaging over patches, where this ViT reads the class token"),
    Sign(_LAYER_SCALE, "layer scale"),
    Sign(r"(^|\.)reg(ister)?_tokens?$", "register tokens"),
    Sign(r"\.[qk]_norm\.", "norms of queries and keys"),
    Sign(r"^norm_pre\.", "a norm before the blocks, so the image tower of a CLIP without its text tower"),
    Sign(r"^attn_pool\.|(^|/)MAPHead_0/", "attention pooling"),
    Sign(r"^patch_embed\.backbone\.|(^|/)conv_root/|^conv_proj\.conv_", "convolutions before the patches"),
    Sign(r"relative_position_bias|\.rel_pos", "relative positions"),
    Sign(r"(^|[./])pre_logits[./]", "a hidden layer before the head (a representation layer)"),
    Sign(r"\.attn\.[qv]_bias$", "BEiT's attention"),
    Sign(r"\.mlp\.(w12|fc1_[gx]|norm)\.", "gated feed-forward networks"),
)
_CLIP_OTHERS = (
    Sign(r"^visual\.attn_pool\.|^text_decoder\.", "a CoCa"),
    Sign(_LAYER_SCALE, "layer scale"),
    Sign(r"\.(ln_q|ln_k|ln_attn|ln_inner|ln_fc)\.|\.head_scale$", "another kind of attention block"),
    Sign(r"(^|\.)text_projection\.bias$", "a bias in the text projection"),
    Sign(r"(^|\.)cls_emb$", "a class token in the text tower"),
)
_RESNET_OTHERS = (
    Sign(r"^attnpool\.", "attention pooling, so the image tower of a CLIP without its text tower"),
    Sign(r"^conv1\.\d+\.", "a stem of three convolutions (ResNet-C, -D, -S, -T)"),
    Sign(r"\.downsample\.2\.", "pooled shortcuts (ResNet-D)"),
    Sign(r"\.(se|attn|conv2\.fc\d)\.", "attention over channels (squeeze-and-excitation and its kin)"),
    Sign(r"\.aa\.", "blurred strides"),
)

_OPENAI_RENAMES: tuple[Rename, ...] = ((r"^text\.", ""),)
_OPENAI = Layout(
    name="openai",
    peers="OpenAI's CLIP and open_clip",
    families=("clip-resnet", "clip-vit"),
    renames=_OPENAI_RENAMES,
    spellings=((),),  # open_clip's CustomTextCLIP keeps the text tower under "text.", as visavis does
    dropped=(
        Sign(r"(^|\.)attn_mask$", "the causal mask, which follows from the length"),
        Sign(r"^logit_bias$", "added to all logits alike; no feature depends on it"),
        Sign(r"^(input_resolution|context_length|vocab_size)$", "a number that the shapes tell"),
    ),
    others=_CLIP_OTHERS,
)

_HF_CLIP = Layout(
    name="hf-clip",
    peers="Hugging Face's CLIPModel",
    families=("clip-vit",),
    renames=(
        (r"^visual\.proj$", "visual_projection.weight"),
        (r"^text\.text_projection$", "text_projection.weight"),
        (r"^visual\.", "vision_model."),
        (r"^text\.", "text_model."),
        (r"\.conv1\.", ".embeddings.patch_embedding."),
        (r"\.class_embedding$", ".embeddings.class_embedding"),
        (r"\.token_embedding\.", ".embeddings.token_embedding."),
        (r"\.positional_embedding$", ".embeddings.position_embedding.weight"),
        (r"\.ln_pre\.", ".pre_layrnorm."),  # the spelling in every published file
        (r"\.ln_post\.", ".post_layernorm."),
        (r"\.ln_final\.", ".final_layer_norm."),
        (r"\.transformer\.resblocks\.", ".encoder.layers."),
        (r"\.attn\.in_proj_", ".self_attn.{q,k,v}_proj."),
        (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
        (r"\.ln_(\d)\.", r".layer_norm\1."),
        (r"\.mlp\.c_fc\.", ".mlp.fc1."),
        (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    ),
    reshapes=((r"^visual\.proj$|^text\.text_projection$", TRANSPOSED),),
    dropped=(Sign(r"\.embeddings\.position_ids$", "0, 1, 2, ...: the places themselves"),),
    others=(Sign(r"\.(vision|text)_projection\.bias$", "a bias in a projection"),),
)

_RESNET = Layout(
    name="torchvision-resnet",
    peers="torchvision's and timm's ResNets",
    families=("supervised-resnet",),
    others=_RESNET_OTHERS,
)

_HF_RESNET_RENAMES: tuple[Rename, ...] = (
    (r"^fc\.", "classifier.1."),
    (r"^conv1\.", "resnet.embedder.embedder.convolution."),
    (r"^bn1\.", "resnet.embedder.embedder.normalization."),
    *((rf"^layer{stage}\.(\d+)\.", rf"resnet.encoder.stages.{stage - 1}.layers.\1.") for stage in range(1, 5)),
    (r"\.downsample\.0\.", ".shortcut.convolution."),
    (r"\.downsample\.1\.", ".shortcut.normalization."),
    *((rf"\.conv{number}\.", f".layer.{number - 1}.convolution.") for number in range(1, 4)),
    *((rf"\.bn{number}\.", f".layer.{number - 1}.normalization.") for number in range(1, 4)),
)
_HF_RESNET = Layout(
    name="hf-resnet",
    peers="Hugging Face's ResNetForImageClassification",
    families=("supervised-resnet",),
    renames=_HF_RESNET_RENAMES,
    spellings=((*_HF_RESNET_RENAMES, (r"^resnet\.", "")),),  # ResNetModel, which has no head
)

_BATCH_OF_ONE: tuple[tuple[str, Reshape], ...] = (
    (r"^class_embedding$", TWO_AXES_MORE),
    (r"^positional_embedding$", ONE_AXIS_MORE),
)
_TIMM_VIT = Layout(
    name="timm-vit",
    peers="timm's ViTs and DeiT",
    families=("supervised-vit",),
    renames=(
        (r"^class_embedding$", "cls_token"),
        (r"^positional_embedding$", "pos_embed"),
        (r"^conv1\.", "patch_embed.proj."),
        (r"^ln_post\.", "norm."),
        (r"^transformer\.resblocks\.", "blocks."),
        (r"\.ln_(\d)\.", r".norm\1."),
        (r"\.attn\.in_proj_", ".attn.qkv."),
        (r"\.attn\.out_proj\.", ".attn.proj."),
        (r"\.mlp\.c_fc\.", ".mlp.fc1."),
        (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    ),
    reshapes=_BATCH_OF_ONE,
    others=_VIT_OTHERS,
)

_TORCHVISION_VIT = Layout(
    name="torchvision-vit",
    peers="torchvision's ViTs",
    families=("supervised-vit",),
    renames=(
        (r"^class_embedding$", "class_token"),
        (r"^positional_embedding$", "encoder.pos_embedding"),
        (r"^conv1\.", "conv_proj."),
        (r"^ln_post\.", "encoder.ln."),
        (r"^head\.", "heads.head."),
        (r"^transformer\.resblocks\.", "encoder.layers.encoder_layer_"),
        (r"\.attn\.", ".self_attention."),
        (r"\.mlp\.c_fc\.", ".mlp.0."),
        (r"\.mlp\.c_proj\.", ".mlp.3."),
    ),
    reshapes=_BATCH_OF_ONE,
    others=_VIT_OTHERS,
)

_HF_VIT_RENAMES: tuple[Rename, ...] = (
    (r"^class_embedding$", "vit.embeddings.cls_token"),
    (r"^positional_embedding$", "vit.embeddings.position_embeddings"),
    (r"^conv1\.", "vit.embeddings.patch_embeddings.projection."),
    (r"^ln_post\.", "vit.layernorm."),
    (r"^head\.", "classifier."),
    (r"^transformer\.resblocks\.", "vit.encoder.layer."),
    (r"\.ln_1\.", ".layernorm_before."),
    (r"\.ln_2\.", ".layernorm_after."),
    (r"\.attn\.in_proj_", ".attention.attention.{query,key,value}."),
    (r"\.attn\.out_proj\.", ".attention.output.dense."),
    (r"\.mlp\.c_fc\.", ".intermediate.dense."),
    (r"\.mlp\.c_proj\.", ".output.dense."),
)
_HF_VIT_IN_MEMORY: tuple[Rename, ...] = (  # transformers 5 renames within its networks, but not in what it saves
    (r"^vit\.encoder\.layer\.", "vit.layers."),
    (r"\.attention\.attention\.\{query,key,value\}\.", ".attention.{q,k,v}_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)
_WITHOUT_VIT: Rename = (r"^vit\.", "")  # ViTModel, which has no head
_HF_VIT = Layout(
    name="hf-vit",
    peers="Hugging Face's ViTForImageClassification",
    families=("supervised-vit",),
    renames=_HF_VIT_RENAMES,
    spellings=(
        (*_HF_VIT_RENAMES, _WITHOUT_VIT),
        (*_HF_VIT_RENAMES, *_HF_VIT_IN_MEMORY),
        (*_HF_VIT_RENAMES, *_HF_VIT_IN_MEMORY, _WITHOUT_VIT),
    ),
    reshapes=_BATCH_OF_ONE,
    dropped=(Sign(r"(^|\.)pooler\.dense\.", "the pooler, a layer behind the features that the head does not read"),),
    others=_VIT_OTHERS,
    eps=1e-12,
)


def _flax_renames(attention: str, second_norm: str, mlp: str, positions: str, root: str = "") -> tuple[Rename, ...]:
    """Flax numbers the layers within a block by kind or throughout, depending on its age."""
    block = r"^transformer\.resblocks\.(\d+)\."
    encoder = r"Transformer/encoderblock_\1/"
    return (
        (r"^class_embedding$", "cls"),
        (r"^positional_embedding$", positions),
        (r"^conv1\.", "embedding/"),
        (r"^ln_post\.", "Transformer/encoder_norm/"),
        (r"^head\.", "head/"),
        (block + r"ln_1\.", encoder + "LayerNorm_0/"),
        (block + r"ln_2\.", encoder + f"{second_norm}/"),
        (block + r"attn\.in_proj_", encoder + attention + "/{query,key,value}/"),
        (block + r"attn\.out_proj\.", encoder + f"{attention}/out/"),
        (block + r"mlp\.c_fc\.", encoder + f"{mlp}/Dense_0/"),
        (block + r"mlp\.c_proj\.", encoder + f"{mlp}/Dense_1/"),
        (r"(LayerNorm_\d|encoder_norm)/weight$", r"\1/scale"),
        (r"/weight$", "/kernel"),
        (r"^", root),
    )


_OLD_FLAX = (
    "MultiHeadDotProductAttention_1",
    "LayerNorm_2",
    "MlpBlock_3",
    "Transformer/posembed_input/pos_embedding",
)
_BIG_VISION = ("MultiHeadDotProductAttention_0", "LayerNorm_1", "MlpBlock_0", "pos_embedding")
_NPZ_VIT = Layout(
    name="npz-vit",
    peers="google-research's vision_transformer and big_vision",
    families=("supervised-vit",),
    renames=_flax_renames(*_OLD_FLAX),
    spellings=(
        _flax_renames(*_OLD_FLAX, root="opt/target/"),  # with an optimizer's state beside
        _flax_renames(*_BIG_VISION),
        _flax_renames(*_BIG_VISION, root="opt/target/"),
        _flax_renames(*_BIG_VISION, root="params/"),
    ),
    reshapes=(
        *_BATCH_OF_ONE,
        (r"^conv1\.weight$", FLAX_CONVOLUTION),
        (r"\.attn\.in_proj_weight$", FLAX_QKV_KERNEL),
        (r"\.attn\.in_proj_bias$", FLAX_QKV_BIAS),
        (r"\.attn\.out_proj\.weight$", FLAX_OUT_KERNEL),
        (r"\.mlp\.c_(fc|proj)\.weight$|^head\.weight$", TRANSPOSED),
    ),
    others=_VIT_OTHERS,
)

_VISAVIS = Layout(
    name="visavis",
    peers="visavis",
    families=("supervised-resnet", "supervised-vit", "clip-resnet", "clip-vit"),
)

# In the order in which they are tried: a file that fits two is the first one's.
LAYOUTS = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            _OPENAI,
            _HF_CLIP,
            _RESNET,
            _HF_RESNET,
            _TIMM_VIT,
            _TORCHVISION_VIT,
            _HF_VIT,
            _NPZ_VIT,
            _VISAVIS,
        )
    }
)
