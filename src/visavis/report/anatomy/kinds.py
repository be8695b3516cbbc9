"""What each kind of layer computes: a formula, a sentence and where it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What a kind of layer computes.

    Attributes:
        formula: In plain characters.
        says: The same in a sentence.
        source: The paper that brought it, or empty where it is plain arithmetic.
    """

    formula: str
    says: str
    source: str = ""


_VASWANI = "Vaswani et al. 2017, Attention Is All You Need"
_DOSOVITSKIY = "Dosovitskiy et al. 2021, An Image is Worth 16x16 Words"
_HE = "He et al. 2016, Deep Residual Learning for Image Recognition"
_RADFORD = "Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision"
_HENDRYCKS = "Hendrycks and Gimpel 2016, Gaussian Error Linear Units"


# Whole names of classes and functions as regular expressions, formula, sentence, source; the first that fits counts.
_KINDS = (
    (
        r"Conv\d?d|Conv2dSame|StdConv2d|conv\dd",
        "y[o, i, j] = b[o] + Σ w[o, c, u, v] · x[c, s·i + u − p, s·j + v − p], over c, u, v",
        "Each place of the output is a weighted sum over a small window of the input; all places share one "
        "set of weights. s is the stride, p the padding.",
        "LeCun et al. 1989, Backpropagation Applied to Handwritten Zip Code Recognition",
    ),
    (
        r"Linear|NonDynamicallyQuantizableLinear|linear|addmm",
        "y = W x + b",
        "Each output is a weighted sum of all inputs; on a sequence, of each token alone.",
        "Rosenblatt 1958, The Perceptron",
    ),
    (
        r"(Sync)?BatchNorm\d?d|FrozenBatchNorm2d|BatchNormAct2d|batch_norm",
        "y = γ (x − μ) / √(σ² + ε) + β",
        "Centres and scales each channel by the mean and the variance that training has seen, then scales "
        "and shifts it as learnt.",
        "Ioffe and Szegedy 2015, Batch Normalization",
    ),
    (
        r"LayerNorm(2d|Fp32)?|layer_norm",
        "y = γ (x − mean(x)) / √(var(x) + ε) + β",
        "Centres and scales each token by the mean and the variance of its own numbers.",
        "Ba et al. 2016, Layer Normalization",
    ),
    (
        r"GroupNorm\d?|group_norm",
        "y = γ (x − μ_g) / √(σ_g² + ε) + β",
        "Centres and scales groups of channels by their own mean and variance.",
        "Wu and He 2018, Group Normalization",
    ),
    (
        r"\w*RmsNorm|RMSNorm|rms_norm",
        "y = γ x / √(mean(x²) + ε)",
        "Scales each token to unit mean square.",
        "Zhang and Sennrich 2019, Root Mean Square Layer Normalization",
    ),
    (
        r"ReLU6?|relu_?",
        "y = max(0, x)",
        "Keeps what is positive.",
        "Nair and Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines",
    ),
    (
        r"Quick_?GELU\w*",
        "y = x · σ(1.702 x)",
        "An approximation of GELU, in OpenAI's weights; in place of it GELU gives other embeddings.",
        f"{_HENDRYCKS}, section 2",
    ),
    (
        r"GELU\w*|gelu",
        "y = x · Φ(x)",
        "Weighs each number by the share of a normal distribution that lies below it.",
        _HENDRYCKS,
    ),
    (
        r"SiLU|Swish\w*|silu_?",
        "y = x · σ(x)",
        "Weighs each number by its own sigmoid.",
        "Ramachandran et al. 2017, Searching for Activation Functions",
    ),
    (
        r"Sigmoid|sigmoid_?",
        "y = 1 / (1 + exp(−x))",
        "Squeezes each number between 0 and 1.",
        "",
    ),
    (
        r"Tanh|tanh_?",
        "y = (exp(x) − exp(−x)) / (exp(x) + exp(−x))",
        "Squeezes each number between −1 and 1.",
        "",
    ),
    (
        r"Hard[sS]wish|hardswish_?",
        "y = x · min(max(x + 3, 0), 6) / 6",
        "A piecewise form of x · σ(x).",
        "Howard et al. 2019, Searching for MobileNetV3",
    ),
    (
        r"Softmax|softmax",
        "y_i = exp(x_i) / Σ_j exp(x_j)",
        "Turns numbers into positive ones that sum to 1.",
        "Bridle 1990, Probabilistic Interpretation of Feedforward Classification Network Outputs",
    ),
    (
        r"MaxPool\dd|max_pool\dd|AdaptiveMaxPool2d",
        "y = max(x) over a window",
        "The largest number of each window, for each channel.",
        "Riesenhuber and Poggio 1999, Hierarchical Models of Object Recognition in Cortex",
    ),
    (
        r"AdaptiveAvgPool\dd|adaptive_avg_pool2d|SelectAdaptivePool2d|FastAdaptiveAvgPool\w*",
        "y[c] = mean of x[c, i, j] over i, j",
        "The mean of each channel over all places.",
        "Lin et al. 2014, Network In Network",
    ),
    (
        r"AvgPool\dd|avg_pool\dd",
        "y = mean(x) over a window",
        "The mean of each window, for each channel; before a convolution it takes the place of a stride.",
        "LeCun et al. 1989; Zhang 2019, Making Convolutional Networks Shift-Invariant Again",
    ),
    (
        r"AttentionPool\w*",
        "softmax(q Kᵀ / √d) V, with q from the mean of all places",
        "One question, the mean over the map, is asked of every place; the answer is the embedding.",
        f"{_RADFORD}, section 2.4",
    ),
    (
        r"scaled_dot_product_attention|softmax attention|attention",
        "softmax(Q Kᵀ / √d) V",
        "Every token asks all tokens: products of queries and keys, scaled and turned into weights, average "
        "the values.",
        f"{_VASWANI}, section 3.2.1",
    ),
    (
        r"\w*(Attention|MultiheadAttention|SdpaAttention)\w*",
        "[head_1 … head_h] W_O, with head_i = softmax(Q_i K_iᵀ / √d) V_i",
        "Several attentions side by side, each on its own share of the width; a linear map mixes their answers.",
        f"{_VASWANI}, section 3.2.2",
    ),
    (
        r"MLP|Mlp|FeedForward|\w*MLP|SwiGLU\w*|GluMlp",
        "y = W₂ f(W₁ x + b₁) + b₂",
        "A feed-forward network, wider inside, applied to each token alone.",
        f"{_VASWANI}, section 3.3",
    ),
    (
        r"Block|ResidualAttentionBlock|EncoderBlock|\w*EncoderLayer",
        "x ← x + MSA(LN(x));  x ← x + FFN(LN(x))",
        "Attention between tokens, then a network on each, both added back.",
        f"{_DOSOVITSKIY}, equations 2 and 3",
    ),
    (
        r"Bottleneck",
        "y = f(x + W₃ f(W₂ ∗ f(W₁ x)))",
        "1×1 reduces the channels, 3×3 works on few, 1×1 restores them; the input is added back.",
        f"{_HE}, figure 5",
    ),
    (
        r"BasicBlock",
        "y = f(x + W₂ ∗ f(W₁ ∗ x))",
        "Two 3×3 convolutions; the input is added back.",
        f"{_HE}, figure 5",
    ),
    (
        r"PatchEmbed\w*",
        "z_i = E x_i",
        "Cuts the image into patches and maps each to a token.",
        f"{_DOSOVITSKIY}, equation 1",
    ),
    (
        r"Embedding|embedding",
        "y = E[token]",
        "Looks up the learnt vector of each token.",
        "Bengio et al. 2003, A Neural Probabilistic Language Model",
    ),
    (
        r"Dropout\w*|dropout",
        "y = x",
        "Drops numbers at random in training; here it does nothing.",
        "Srivastava et al. 2014, Dropout",
    ),
    (
        r"DropPath|StochasticDepth",
        "y = x",
        "Drops whole blocks at random in training; here it does nothing.",
        "Huang et al. 2016, Deep Networks with Stochastic Depth",
    ),
    (
        r"LayerScale",
        "y = γ ⊙ x",
        "Scales each channel by a learnt number, small at first.",
        "Touvron et al. 2021, Going Deeper with Image Transformers",
    ),
    (
        r"SqueezeExcite\w*|SEModule|SqueezeExcitation",
        "y = x · σ(W₂ f(W₁ mean(x)))",
        "Weighs each channel by a small network that reads the means of all.",
        "Hu et al. 2018, Squeeze-and-Excitation Networks",
    ),
    (
        r"Identity",
        "y = x",
        "Passes on what it reads.",
        "",
    ),
    (
        r"Sequential|ModuleList",
        "y = f_n(… f₂(f₁(x)))",
        "Its layers one after another.",
        "",
    ),
    (
        r"add_?|iadd|__add__",
        "y = a + b",
        "The sum that closes a skip connection, or adds positions to tokens.",
        f"{_HE}, equation 1",
    ),
    (
        r"cat|concat|stack",
        "y = [a, b]",
        "One after the other, such as the class token before the patches.",
        "",
    ),
    (
        r"mul_?|__mul__|prod",
        "y = a · b",
        "The product, number by number.",
        "",
    ),
    (
        r"matmul|bmm|mm|einsum|__matmul__",
        "y = A B",
        "A product of matrices.",
        "",
    ),
    (
        r"mean",
        "y = Σ x / n",
        "The mean.",
        "",
    ),
    (
        r"flatten|reshape|view|unflatten|transpose|permute|squeeze|unsqueeze|expand|contiguous|chunk|split|unbind|Flatten",
        "the same numbers",
        "Another shape or order of the same numbers; nothing is computed.",
        "",
    ),
    (
        r"getitem|select|slice|index|index_select|gather",
        "y = x[i]",
        "Some of the numbers, such as the class token's.",
        "",
    ),
)


def explain(kind: str) -> Explained | None:
    """What a kind of layer computes; None where this table does not know it."""
    for pattern, formula, says, source in _KINDS:
        if re.fullmatch(pattern, kind):
            return Explained(formula=formula, says=says, source=source)
    return None
