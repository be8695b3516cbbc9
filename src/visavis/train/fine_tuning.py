"""Fine-tuning of an encoder with a linear head, whole or by low-rank changes, and the way back by averaging weights.

Source: Hu et al. 2022, LoRA, for changes W + B A with B zero at first; Wortsman et al. 2022, Robust fine-tuning of
zero-shot models (WiSE-FT), section 3, for the average of weights before and after; Kumar et al. 2022, for starting from
a head that already fits. Batch norms keep the statistics they came with; pictures are not augmented.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from visavis.engine.encoder import Encoder
from visavis.models.transformer import Attention

VALIDATED = 5  # one image of so many chooses the learning rate
WARM_UP = 0.1  # of the steps, in which the rate rises
MAX_GRAD_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How an encoder is fine-tuned.

    Attributes:
        learning_rates: Of AdamW, the highest of a cosine; the one that does best on a fifth of the images is used.
        epochs: Times that each image is seen.
        batch_size: Images of one step.
        weight_decay: AdamW's.
        rank: Of LoRA's changes to linear maps, attention's among them, and 1x1 convolutions; None trains all weights.
        seed: Of the order of images and of LoRA's first weights.
    """

    learning_rates: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    epochs: int = 10
    batch_size: int = 32
    weight_decay: float = 0.1
    rank: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Start:
    """The head that a network begins with.

    Attributes:
        weight: float32 [classes, embed_dim].
        bias: float32 [classes].
        unit: Whether vectors are scaled to length 1 first, as a CLIP's are.
    """

    weight: np.ndarray
    bias: np.ndarray
    unit: bool


class Classifier(nn.Module):
    """An encoder's image tower, copied, with a linear head: pixels float32 [batch, 3, side, side] to class scores."""

    def __init__(self, encoder: Encoder, start: Start) -> None:
        super().__init__()
        self.tower, self._encode = encoder.image_copy()
        for module in self.tower.modules():
            for name, parameter in module.named_parameters(recurse=False):
                module.register_parameter(name, nn.Parameter(parameter.detach().clone()))
        self.weight = nn.Parameter(torch.from_numpy(start.weight.copy()))
        self.bias = nn.Parameter(torch.from_numpy(start.bias.copy()))
        self.unit = start.unit
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        vectors = self._encode(pixels.contiguous(memory_format=torch.channels_last))  # [batch, embed_dim]
        if self.unit:
            vectors = F.normalize(vectors, dim=-1)
        return vectors @ self.weight.T + self.bias


class LowRank(nn.Module):
    """W + B A (Hu et al. 2022, equation 3): `rank` rows and columns are trained in place of a whole matrix."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        columns = weight[0].numel()
        self.a = nn.Parameter(torch.randn(rank, columns, generator=generator) / math.sqrt(columns))
        self.b = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.b @ self.a).view_as(weight)


def fine_tune(
    encoder: Encoder,
    start: Start,
    pixels: np.ndarray,
    truth: np.ndarray,
    config: FineTuning,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Classifier, float]:
    """A trained copy; the encoder itself stays as it is.

    Args:
        encoder: What is copied.
        start: The head to begin with.
        pixels: uint8 [images, side, side, 3], cut and scaled as the encoder wants them.
        truth: Class numbers, int64 [images].
        config: How.
        progress: Called with steps done and steps in all, of all learning rates.

    Returns:
        The classifier and the learning rate that was chosen.
    """
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(pixels), generator=generator).numpy()
    judged, fitted = order[: len(order) // VALIDATED], order[len(order) // VALIDATED :]
    several = len(config.learning_rates) > 1 and len(judged) > 0
    runs = [(rate, fitted) for rate in config.learning_rates] if several else []
    total = sum(_steps(len(rows), config) for _, rows in runs) + _steps(len(pixels), config)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    best, most = config.learning_rates[0], -1
    for rate, rows in runs:
        tried = _train(encoder, start, pixels[rows], truth[rows], config, rate, advance)
        right = sum(
            int((scores.argmax(axis=1) == truth[part]).sum())
            for part, scores in zip(
                np.array_split(judged, -(-len(judged) // config.batch_size)),
                classify(encoder, tried, _batches(pixels, judged, config.batch_size)),
                strict=True,
            )
        )
        if right > most:
            best, most = rate, right
    return _train(encoder, start, pixels, truth, config, best, advance), best


def classify(encoder: Encoder, classifier: Classifier, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Class scores float32 [batch, classes] of each batch uint8 [batch, side, side, 3]."""
    for batch in batches:
        with torch.inference_mode():
            yield classifier(_as_input(encoder, batch)).numpy()


def average_weights(before: Classifier, after: Classifier, share: float = 0.5) -> Classifier:
    """WiSE-FT: (1 - share) before + share after in every weight, the head's too; written into `before`."""
    with torch.no_grad():
        for old, new in zip(before.parameters(), after.parameters(), strict=True):
            old.lerp_(new, share)
    return before


def seconds_a_step(encoder: Encoder, start: Start, config: FineTuning, clock: Callable[[], float]) -> float:
    """How long a step takes here, by one on a grey batch after one that warms up."""
    side = encoder.image_size
    pixels = np.full((config.batch_size, side, side, 3), 127, np.uint8)
    ends: list[float] = []
    truth = np.arange(config.batch_size) % len(start.weight)
    two = FineTuning(epochs=2, batch_size=config.batch_size, rank=config.rank)
    _train(encoder, start, pixels, truth, two, 0.0, lambda: ends.append(clock()))
    return ends[1] - ends[0]


def steps_in_all(n_images: int, config: FineTuning) -> int:
    """Steps of `fine_tune`, all learning rates together."""
    fitted = n_images - n_images // VALIDATED
    return len(config.learning_rates) * _steps(fitted, config) + _steps(n_images, config)


def _steps(n_images: int, config: FineTuning) -> int:
    return config.epochs * -(-n_images // config.batch_size)


def _train(
    encoder: Encoder,
    start: Start,
    pixels: np.ndarray,
    truth: np.ndarray,
    config: FineTuning,
    rate: float,
    advance: Callable[[], None],
) -> Classifier:
    """AdamW with a linear warm-up and a cosine; the same seed gives the same weights."""
    generator = torch.Generator().manual_seed(config.seed)
    classifier = Classifier(encoder, start)
    if config.rank is not None:
        lower_rank(classifier.tower, config.rank, generator)
    trained = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=config.weight_decay)
    steps = _steps(len(pixels), config)
    warm_up = max(1, round(WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * max(0, step - warm_up) / steps))),
    )
    for _ in range(config.epochs):
        order = torch.randperm(len(pixels), generator=generator).numpy()
        for rows in np.split(order, range(config.batch_size, len(order), config.batch_size)):
            scores = classifier(_as_input(encoder, pixels[rows]))
            loss = F.cross_entropy(scores, torch.from_numpy(truth[rows]))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, MAX_GRAD_NORM)
            optimizer.step()
            schedule.step()
            advance()
    return classifier.requires_grad_(False)


def lower_rank(tower: nn.Module, rank: int, generator: torch.Generator) -> None:
    """Freezes a tower and gives its linear maps and 1x1 convolutions a change of that rank, at first none."""
    tower.requires_grad_(False)
    for module in list(tower.modules()):
        if isinstance(module, Attention | nn.MultiheadAttention):
            name = "in_proj_weight"
        elif isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)):
            name = "weight"
        else:
            continue
        change = LowRank(getattr(module, name), rank, generator)
        parametrize.register_parametrization(module, name, change)


def _batches(pixels: np.ndarray, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (pixels[part] for part in np.array_split(rows, -(-len(rows) // size)))


def _as_input(encoder: Encoder, batch: np.ndarray) -> Tensor:
    return torch.from_numpy(encoder.preprocessing.normalise(batch))
