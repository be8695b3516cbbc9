"""What the comparisons of networks share: weights far from their start, pictures, texts, and how outputs differ."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visavis.engine.encoder import Encoder
from visavis.models.text import TextConfig
from visavis.zoo.tokenizer import Tokenizer

TOLERANCE = 1e-4  # of the largest output; float32 sums in another order differ by some 1e-6 a layer
LEAST_COSINE = 0.999999
TEXTS = ["a photo of a dog", "", "an emoji of a red apple, seen from above", "x " * 100]


def randomised(peer: nn.Module) -> nn.Module:
    """The peer in evaluation mode, with noise on every weight, and norms and batch statistics far from their start."""
    generator = torch.Generator().manual_seed(5)
    for parameter in peer.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator) * 0.02
    for module in peer.modules():
        if isinstance(module, nn.Conv2d):  # else a deep network forgets its input, and any two would agree
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return peer.eval()


def pictures(count: int, side: int) -> Tensor:
    """Soft blots of colour under noise, for pooling averages noise alone away: [count, 3, side, side]."""
    generator = torch.Generator().manual_seed(6)
    blots = torch.randn(count, 3, 4, 4, generator=generator)
    noise = torch.randn(count, 3, side, side, generator=generator)
    return nn.functional.interpolate(blots, size=(side, side), mode="bilinear") * 2 + noise * 0.5


def tokens(config: TextConfig) -> Tensor:
    """The texts as the tower's tokens: int64 [texts, context_length]."""
    return torch.from_numpy(Tokenizer(config.vocab_size, config.context_length)(TEXTS))


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def assert_close(ours: Tensor, theirs: Tensor) -> float:
    """Equal up to the tolerance, while the rows differ by far more: outputs that ignored the input would not do."""
    assert relative_gap(theirs[1:], theirs[:-1]) > 100 * TOLERANCE
    gap = relative_gap(ours, theirs)
    assert gap <= TOLERANCE
    assert nn.functional.cosine_similarity(ours.double(), theirs.double()).min() >= LEAST_COSINE
    return gap


def clip_gap(encoder: Encoder, peer: nn.Module) -> float:
    """Image features, text features, logits and logit scale of a CLIP by OpenAI's interface; the largest difference."""
    images, texts = pictures(2, encoder.image_size), tokens(encoder.model.config.text)
    with torch.inference_mode():
        image_features, text_features = peer.encode_image(images), peer.encode_text(texts)
        assert encoder.logit_scale == float(peer.logit_scale.exp())
        unit = nn.functional.normalize
        logits = peer.logit_scale.exp() * unit(image_features, dim=-1) @ unit(text_features, dim=-1).T
        return max(
            assert_close(encoder.model.encode_image(images), image_features),
            assert_close(encoder.model.encode_text(texts), text_features),
            assert_close(encoder.model(images, texts), logits),
        )


def classifier_gap(encoder: Encoder, peer: nn.Module) -> float:
    """The difference of a supervised network's scores."""
    images = pictures(2, encoder.image_size)
    with torch.inference_mode():
        scores = peer(images)
        return assert_close(encoder.model(images), scores if isinstance(scores, Tensor) else scores.logits)


def relative_gap(values: Tensor, reference: Tensor) -> float:
    """The largest difference as a fraction of the largest reference value."""
    assert values.shape == reference.shape
    return float((values - reference).abs().max() / reference.abs().max())
