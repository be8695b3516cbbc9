"""How alike the layers of networks are: linear CKA by minibatches, with a noise floor.

The one idea: two layers are alike if they find the same images alike. A layer's Gram matrix of a batch holds who is
like whom whatever the layer's width, and once centred, the comparison of any two layers is a dot product. Sums of these
over batches are all that is kept, so memory does not grow with the images.

A layer's features are all numbers that it gives for an image, places and channels flattened.

Sources: Kornblith et al. 2019, Similarity of Neural Network Representations Revisited, section 3; Nguyen et al. 2021,
Do Wide and Deep Networks Learn the Same Things?, section 3, for unbiased HSIC averaged over batches; Song et al. 2012,
Feature Selection via Dependence Maximization, equation 5, for the unbiased HSIC itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.engine.pictures import ImageLike, as_picture
from visavis.errors import UsageError
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight.records import Similarity
from visavis.inspection.sight.taps import Tap, find_taps, listen

LEAST_IMAGES = 4  # of a batch; below, the unbiased estimate does not exist
SHUFFLES = 20
FLOOR = 0.95  # quantile of the shuffles
EMBEDDING = "embedding"


def compare_layers(a: Encoder, b: Encoder, samples: Sequence[ImageLike], batch_size: int, seed: int) -> Similarity:
    """Linear CKA between all layers of two networks; `compare_all` says how."""
    return compare_all([a, b], [(0, 1)], samples, batch_size, seed)[0]


def compare_all(
    encoders: Sequence[Encoder],
    pairs: Sequence[tuple[int, int]],
    samples: Sequence[ImageLike],
    batch_size: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Similarity]:
    """Linear CKA between the layers of networks, each of which encodes each image once.

    Args:
        encoders: Networks; their layers are those of `find_taps`, and the embedding.
        pairs: Which to compare, by their numbers; one with itself compares its layers with each other.
        samples: Images.
        batch_size: Of the minibatches; they are made equal in size, so that the estimate is unbiased.
        seed: Of the shuffles.
        progress: Called with images done and images in all.

    Returns:
        One for each pair.

    Raises:
        UsageError: There are fewer than four images, or a minibatch would have fewer.
    """
    if min(len(samples), batch_size) < LEAST_IMAGES:
        raise UsageError(
            f"Layers are compared on at least {LEAST_IMAGES} images at a time, not on {len(samples)} in batches of "
            f"{batch_size}: the unbiased estimate divides by n (n - 3). Give more images."
        )
    heard = [_Heard(encoder) for encoder in encoders]
    generator = np.random.default_rng(seed)
    sums = [_Sums.empty(len(heard[a].layers), len(heard[b].layers)) for a, b in pairs]
    done = 0
    for batch in equal_batches(samples, batch_size):
        pictures = [as_picture(image) for image in batch]
        centred = [network.centred(pictures) for network in heard]
        for total, (a, b) in zip(sums, pairs, strict=True):
            total.add(centred[a], centred[b], generator)
        done += len(batch)
        progress(done, len(samples))
    return [
        Similarity(
            model_a=encoders[a].name,
            model_b=encoders[b].name,
            layers_a=heard[a].layers,
            layers_b=heard[b].layers,
            values=total.values().astype(np.float32),
            floor=total.floor().astype(np.float32),
            n_images=len(samples),
        )
        for total, (a, b) in zip(sums, pairs, strict=True)
    ]


def equal_batches(samples: Sequence[ImageLike], batch_size: int) -> Iterator[Sequence[ImageLike]]:
    """All samples in order, in batches of at most `batch_size` whose sizes differ by one at most."""
    bounds = np.linspace(0, len(samples), -(-len(samples) // batch_size) + 1).round().astype(int)
    return (samples[start:stop] for start, stop in pairwise(bounds))


def gram(features: Tensor) -> Tensor:
    """Who is like whom: products of images' features, float64 [n, n] of [n, ...].

    The mean over the batch is taken off before, which changes no estimate here but saves digits.
    """
    flat = features.reshape(len(features), -1)
    flat = flat - flat.mean(dim=0)
    return (flat @ flat.T).double()


def centre(grams: np.ndarray) -> np.ndarray:
    """U-centred Gram matrices, [layers, n, n]: zero diagonal, and rows that sum to 0.

    With them the unbiased HSIC of Song et al. is a dot product: HSIC(K, L) = sum(centre(K) * centre(L)) / (n (n - 3)).

    Source: Szekely and Rizzo 2014, Partial Distance Correlation with Methods for Dissimilarities, definition 2.
    """
    n = grams.shape[-1]
    off = grams * (1 - np.eye(n))
    rows = off.sum(axis=-1) / (n - 2)  # [layers, n]
    whole = off.sum(axis=(-2, -1)) / ((n - 1) * (n - 2))  # [layers]
    centred = off - rows[:, :, None] - rows[:, None, :] + whole[:, None, None]
    return centred * (1 - np.eye(n))


def hsic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Unbiased HSIC of any two layers, [layers_a, layers_b], from U-centred matrices [layers, n, n]."""
    n = a.shape[-1]
    return a.reshape(len(a), -1) @ b.reshape(len(b), -1).T / (n * (n - 3))


@dataclass(kw_only=True)
class _Sums:
    """Over batches: HSIC between two networks' layers, of each layer with itself, and between shuffled images."""

    between: np.ndarray  # [layers_a, layers_b]
    own_a: np.ndarray  # [layers_a]
    own_b: np.ndarray  # [layers_b]
    shuffled: np.ndarray  # [shuffles, layers_a, layers_b]

    @classmethod
    def empty(cls, layers_a: int, layers_b: int) -> _Sums:
        return cls(
            between=np.zeros((layers_a, layers_b)),
            own_a=np.zeros(layers_a),
            own_b=np.zeros(layers_b),
            shuffled=np.zeros((SHUFFLES, layers_a, layers_b)),
        )

    def add(self, a: np.ndarray, b: np.ndarray, generator: np.random.Generator) -> None:
        """One batch: U-centred matrices [layers, n, n] of both networks."""
        n = a.shape[-1]
        self.between += hsic(a, b)
        self.own_a += np.square(a).sum(axis=(1, 2)) / (n * (n - 3))
        self.own_b += np.square(b).sum(axis=(1, 2)) / (n * (n - 3))
        for number in range(SHUFFLES):
            order = generator.permutation(n)
            self.shuffled[number] += hsic(a, b[:, order][:, :, order])

    def values(self) -> np.ndarray:
        return self._scaled(self.between)

    def floor(self) -> np.ndarray:
        return np.quantile(np.abs(self._scaled(self.shuffled)), FLOOR, axis=0)

    def _scaled(self, between: np.ndarray) -> np.ndarray:
        """CKA; NaN where a layer gives the same for all images, since it then is like nothing."""
        scale = np.sqrt(np.outer(self.own_a, self.own_b))
        return np.divide(between, scale, out=np.full_like(between, np.nan), where=scale > 0)


class _Heard:
    """A network whose layers are heard."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.taps: tuple[Tap, ...] = find_taps(encoder, inspect(encoder).towers[0].root)
        self.layers = (*(tap.layer for tap in self.taps), EMBEDDING)

    def centred(self, pictures: Sequence[ImageLike]) -> np.ndarray:
        """U-centred Gram matrices of one batch, [layers, n, n]."""
        grams = torch.zeros(len(self.layers), len(pictures), len(pictures), dtype=torch.float64)

        def keep(at: int, heard: Tensor) -> None:
            grams[at] = gram(heard)

        pixels = torch.stack([self.encoder.preprocess(picture) for picture in pictures])
        with listen(self.encoder.image_tower, self.taps, keep):
            grams[-1] = gram(self.encoder.encode_pixels(pixels))
        return centre(grams.numpy())
