"""What was measured on networks, as plain data that a page can draw and JSON can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

ReachKind = Literal["theoretical", "effective", "attention"]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far one layer sees.

    Attributes:
        layer: Its name in the image tower, as in `Layer.name`.
        depth: Share of the tower's weighted layers that have run when it ends, 0 to 1, as in `Part.depth`.
        kind: "theoretical": side of the receptive field that arithmetic allows (Araujo et al. 2019); "effective": side
            of a square with as many pixels as have a gradient of at least 4.55% of the highest (Luo et al. 2016);
            "attention": mean distance between a query's patch and the patches that it attends to (Dosovitskiy et al.
            2021, figure 7), over images and queries, averaged over heads.
        pixels: Of the preprocessed image.
        heads: For attention, the mean distance of each head in pixels.
        entropy: For attention, the mean entropy of each head in nats, whose most is the logarithm of the tokens.
    """

    layer: str
    depth: float
    kind: ReachKind
    pixels: float
    heads: tuple[float, ...] = ()
    entropy: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FirstLayer:
    """What the first layer learnt.

    Attributes:
        layer: Its name in the image tower.
        kind: Its own "filters" where they are few, or the "principal components" of many.
        pictures: Scaled to be seen, uint8 [n, side, side, 3].
        shares: For components, the share of variance that each explains.
    """

    layer: str
    kind: Literal["filters", "principal components"]
    pictures: np.ndarray
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AttentionMaps:
    """Where the class token looks in one image: in a CLIP ResNet attention pooling's one query, and where there is
    neither, all patches on average.

    Attributes:
        layers: Names of the attention layers.
        maps: Weights that sum to at most 1, float32 [layers, heads, rows, columns].
    """

    layers: tuple[str, ...]
    maps: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What one part is worth, by taking it away.

    Attributes:
        part: What was taken: "skip connection of layer1.1", "head 3 of ...", and how where that is not plain.
        cosine: Mean cosine between the embeddings before and after.
        low, high: 95% interval of `cosine` over images.
        accuracy: Change of accuracy in percentage points where there are labels, else None, with its interval.
    """

    part: str
    cosine: float
    low: float
    high: float
    accuracy: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All that was measured on one network.

    Attributes:
        model: Its name.
        image_size: Side of the preprocessed images in pixels.
        n_images: On how many attention is measured; `notes` say it of ablations.
        data: Which.
        reaches: How far its layers see, in order.
        first_layer: None where it has none that reads pixels.
        positions: Cosine between position embeddings of patches, float32 [patches, patches] in reading order; None
            where there are none.
        picture: The one image whose attention is shown, uint8 [side, side, 3].
        attention: None without attention.
        norms: Mean length of image and text embeddings, and what else is one number: {"image embedding": 10.2,
            "text embedding": 8.1, "modality gap": 0.8, "logit scale": 100.0}.
        ablations: What parts are worth.
        notes: What could not be measured, and why.
    """

    model: str
    image_size: int
    n_images: int
    data: str
    reaches: tuple[Reach, ...]
    first_layer: FirstLayer | None
    positions: np.ndarray | None
    picture: np.ndarray
    attention: AttentionMaps | None
    norms: dict[str, float]
    ablations: tuple[Ablation, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Linear CKA between the layers of two networks, or of one and itself.

    Attributes:
        model_a, model_b: Their names.
        layers_a, layers_b: Names of the layers.
        values: Unbiased estimate, float32 [layers_a, layers_b]; 1 is the same up to rotation and scale. It can lie a
            little below 0; NaN where a layer gives the same for all images.
        floor: What no relation at all gives: of many shuffles of the second network's images, the size that 95% stay
            below. A value beneath it is noise.
        n_images: On how many.
    """

    model_a: str
    model_b: str
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    values: np.ndarray
    floor: np.ndarray
    n_images: int
