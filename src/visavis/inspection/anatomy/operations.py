"""What is known of torch's operations by their names at the dispatcher, beside what torch's own tags tell."""

from __future__ import annotations

from typing import Any

import torch


def name_of(func: Any) -> str:
    """The operation's own name without namespace, overload and the mark of changing its input: "add"."""
    return func._overloadpacket.__name__.removesuffix("_")


def is_view(func: Any) -> bool:
    """Whether an operation looks at the same numbers in another shape, as a new tensor or in place."""
    return func.is_view or torch.Tag.inplace_view in func.tags


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Norms, pooling, sums over an axis, look-ups and moved numbers: as everywhere, no multiply-accumulates are counted.
FREE = _words("""
    _adaptive_avg_pool2d _adaptive_avg_pool3d _fused_rms_norm _linalg_check_errors _log_softmax
    _native_batch_norm_legit _native_batch_norm_legit_no_training _prelu_kernel _safe_softmax _softmax _to_copy
    _unsafe_index _unsafe_view _weight_norm_interface adaptive_max_pool2d adaptive_max_pool3d alias_copy all amax
    amin any arange argmax argmin argsort as_strided avg_pool1d avg_pool2d avg_pool3d bernoulli bincount bucketize
    cat clone col2im constant_pad_nd copy count_nonzero cummax cumprod cumsum detach embedding empty empty_like
    empty_strided eye fill flip full full_like gather glu hardswish im2col index index_add index_copy index_fill
    index_put index_select isin lift_fresh linalg_vector_norm linspace masked_scatter max max_pool2d_with_indices
    max_pool3d_with_indices mean median min native_batch_norm native_channel_shuffle native_dropout
    native_group_norm native_layer_norm new_empty new_empty_strided new_full new_ones new_zeros norm normal one_hot
    ones ones_like pixel_shuffle pixel_unshuffle prod rand rand_like randint randn randn_like randperm
    reflection_pad1d reflection_pad2d repeat repeat_interleave replication_pad1d replication_pad2d roll
    scalar_tensor scatter scatter_add searchsorted slice_scatter sort split_with_sizes_copy stack std std_mean sum
    topk tril tril_indices triu triu_indices unfold uniform unique_dim unsafe_chunk unsafe_split
    unsafe_split_with_sizes upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
    upsample_nearest2d var var_mean zero zeros zeros_like
""")
# What neither computes nor joins, beside views; and what makes new tensors without a look at any numbers.
MOVING = _words("_to_copy _unsafe_view alias clone copy detach lift_fresh repeat unsafe_chunk unsafe_split")
CREATING = _words("""
    arange empty empty_like empty_strided eye fill full full_like linspace new_empty new_empty_strided new_full new_ones
    new_zeros ones ones_like rand rand_like randn randn_like scalar_tensor tril_indices triu_indices zero zeros
    zeros_like
""")
# What leaves each place of a map by itself, beside element-wise operations. Statistics of norms do not count as sight.
LOCAL = _words("""
    _fused_rms_norm _native_batch_norm_legit _native_batch_norm_legit_no_training _prelu_kernel _to_copy clone copy
    glu hardswish native_batch_norm native_dropout native_group_norm native_layer_norm unsafe_chunk unsafe_split
""")
PLAIN_NAMES = {  # spellings of one function, and the dispatcher's names where no function was seen above them
    **dict.fromkeys(("iadd", "radd"), "add"),
    **dict.fromkeys(("isub", "rsub", "subtract"), "sub"),
    **dict.fromkeys(("imul", "rmul", "multiply"), "mul"),
    **dict.fromkeys(("itruediv", "rtruediv", "truediv", "divide", "true_divide"), "div"),
    **dict.fromkeys(("concat", "concatenate"), "cat"),
    **dict.fromkeys(("mm", "bmm", "baddbmm", "rmatmul"), "matmul"),
    "addmm": "linear",
    "convolution": "conv",
    "native_batch_norm": "batch_norm",
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
    "safe_softmax": "softmax",
}
