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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from visavis.data.in_order import in_order
from visavis.engine.encoder import Encoder
from visavis.engine.pictures import ImageLike, as_picture
from visavis.errors import UsageError
from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.sight.records import Similarity
from visavis.inspection.sight.taps import Tap, find_taps, listen
from visavis.zoo.preprocess import Preprocess

LEAST_IMAGES = 4  # of a batch; below, the unbiased estimate does not exist
SHUFFLES = 20
FLOOR = 0.95  # quantile of the shuffles
PIECE = 8192  # features of a batch that are centred and multiplied at once
EMBEDDING = "embedding"  # what the network ends with, named like a layer


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
        batch_size: The most images of a minibatch; they are drawn at random and differ in size by one at most.
        seed: Of the shuffles.
        progress: Called with images done and images in all.

    Returns:
        One for each pair.

    Raises:
        UsageError: There are fewer than four images, or a minibatch would have fewer.
    """
    sizes = batch_sizes(len(samples), batch_size) if samples else [0]
    if min(sizes) < LEAST_IMAGES:
        raise UsageError(
            f"Layers are compared on at least {LEAST_IMAGES} images at a time, not on {min(sizes)} ({len(samples)} in "
            f"batches of {batch_size}): the unbiased estimate divides by n (n - 3). Give more images."
        )
    heard = [_Heard(encoder) for encoder in encoders]
    generator = np.random.default_rng(seed)
    mixed = [samples[place] for place in generator.permutation(len(samples))]  # neighbours may be of one class
    sums = [_Sums.empty(len(heard[a].layers), len(heard[b].layers)) for a, b in pairs]
    decoded = in_order(partial(_preprocessed, encoders), mixed)  # while the networks compute
    done = 0
    for size in sizes:
        pixels = list(islice(decoded, size))
        centred = [network.centred(torch.stack([one[at] for one in pixels])) for at, network in enumerate(heard)]
        for total, (a, b) in zip(sums, pairs, strict=True):
            total.add(centred[a], centred[b], generator)
        done += size
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


def batch_sizes(images: int, most: int) -> list[int]:
    """Sizes of as few batches as possible, of at most so many images, that differ by one at most."""
    count = -(-images // most)
    return [images // count + (number < images % count) for number in range(count)]


def gram(features: Tensor) -> Tensor:
    """Who is like whom: products of images' features, float64 [n, n] of [n, ...].

    The mean over the batch is taken off before. That changes no estimate here but saves digits, as some features of
    Transformers are large and the same for all images. Pieces that fit a processor's cache are read once.
    """
    if features.ndim == 4 and features.is_contiguous(memory_format=torch.channels_last):
        features = features.permute(0, 2, 3, 1)  # as they lie in memory; the order of features means nothing
    flat = features.reshape(len(features), -1)
    total = torch.zeros(len(flat), len(flat), dtype=torch.float64)
    for piece in flat.split(PIECE, dim=1):
        centred = piece - piece.mean(dim=0)
        total += centred @ centred.T
    return total


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

    def centred(self, pixels: Tensor) -> np.ndarray:
        """U-centred Gram matrices, [layers, n, n], of preprocessed images [n, 3, side, side]."""
        grams = torch.zeros(len(self.layers), len(pixels), len(pixels), dtype=torch.float64)

        def keep(at: int, heard: Tensor) -> None:
            grams[at] = gram(heard)

        with listen(self.encoder.image_tower, self.taps, keep):
            grams[-1] = gram(self.encoder.encode_pixels(pixels))
        return centre(grams.numpy())


def _preprocessed(encoders: Sequence[Encoder], image: ImageLike) -> list[Tensor]:
    """An image as each network wants it, [3, side, side]; made once for those that want the same."""
    picture = as_picture(image)
    made: dict[Preprocess, Tensor] = {}
    for encoder in encoders:
        if encoder.preprocessing not in made:
            made[encoder.preprocessing] = encoder.preprocess(picture)
    return [made[encoder.preprocessing] for encoder in encoders]
