"""What the first layer learnt, as pictures: a convolution's filters, or what spans a patch embedding.

The one idea: weights that read pixels have the shape of small images. A ResNet has few filters, which can all be shown;
a Vision Transformer has one for each channel of its width, of which the principal components show what they share.

Sources: Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, figure 3, for filters;
Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, figure 7 (left), for principal components.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from visavis.engine.encoder import Encoder
from visavis.inspection.sight.records import FirstLayer

COMPONENTS = 28  # as in the paper's figure
COLOURS = 3


def first_layer(encoder: Encoder) -> FirstLayer | None:
    """The first convolution that reads pixels; None where there is none.

    Patches, which do not overlap, are shown by their principal components, sliding windows by their filters. Weights
    are taken with respect to pixels before normalisation.
    """
    found = next(
        (
            (name, module)
            for name, module in encoder.image_tower.named_modules()
            if isinstance(module, nn.Conv2d) and module.in_channels == COLOURS and module.groups == 1
        ),
        None,
    )
    if found is None:
        return None
    name, convolution = found
    deviations = np.array(encoder.preprocessing.std)[:, None, None]  # of the colours
    filters = convolution.weight.detach().double().numpy() / deviations  # [filters, 3, rows, columns]
    if tuple(convolution.stride) != tuple(convolution.kernel_size):
        return FirstLayer(layer=name, kind="filters", pictures=as_pictures(filters))
    components, shares = principal_components(filters)
    return FirstLayer(
        layer=name, kind="principal components", pictures=as_pictures(components), shares=tuple(shares.tolist())
    )


def principal_components(filters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The directions in which filters differ most, and the share of their variance that each explains.

    Args:
        filters: [filters, 3, rows, columns].

    Returns:
        Components of length 1, [components, 3, rows, columns], whose largest weight is positive, as their sign means
        nothing; shares, [components], falling. At most `COMPONENTS`, and none that explains nothing.
    """
    flat = filters.reshape(len(filters), -1)
    _, spreads, directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    kept = min(COMPONENTS, int((spreads > spreads.max(initial=0.0) * 1e-7).sum()))
    chosen = directions[:kept]
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(axis=1)[:, None], axis=1)
    shares = spreads[:kept] ** 2 / max(float((spreads**2).sum()), np.finfo(float).tiny)
    return (chosen * np.sign(largest)).reshape(-1, *filters.shape[1:]), shares


def as_pictures(filters: np.ndarray) -> np.ndarray:
    """Weights [n, 3, rows, columns] as uint8 [n, rows, columns, 3]: grey is 0, and the largest of each is 0 or 255."""
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    scaled = filters / np.where(largest > 0, largest, 1)  # -1 to 1
    return np.rint(127.5 + 127.5 * scaled).astype(np.uint8).transpose(0, 2, 3, 1)
