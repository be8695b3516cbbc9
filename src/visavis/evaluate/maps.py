"""Vectors of many dimensions on a plane, one map a model, turned so that maps can be read side by side.

A map shows the two directions in which a model's unit vectors spread most. Its rotation and mirror image mean nothing,
so each map is turned onto the first one; what is left of the difference is the models'.

Sources: Pearson 1901, Philosophical Magazine 2 (principal components); Schönemann 1966, Psychometrika 31 (the turn);
Gower 1975, Psychometrika 40, section 2 (how alike two maps then are).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes

from visavis.evaluate.scores import unit_rows

SAME = 1e-6  # coordinates of unit vectors that differ by less are equal
MOMENTS = 10  # columns of `pair_moments`


@dataclass(frozen=True)
class PlaneMap:
    """A map of one model.

    Attributes:
        places: Of the images, float64 [images, 2], centred, of mean square 1.
        explained: Share of the vectors' spread that these two axes hold.
    """

    places: np.ndarray
    explained: float


def principal_map(vectors: np.ndarray) -> PlaneMap:
    """The first two principal components of unit vectors.

    Args:
        vectors: [images, embed_dim], at least 3 images and 2 dimensions; not normalised.

    Raises:
        ValueError: All vectors point the same way: there is nothing to spread out.
    """
    from sklearn.decomposition import PCA

    directions = unit_rows(vectors).astype(np.float64)
    if not np.ptp(directions, axis=0).max() > SAME:
        raise ValueError("all vectors point the same way")
    pca = PCA(n_components=2, svd_solver="full")
    places = pca.fit_transform(directions)
    spread = np.sqrt((places**2).sum(axis=1).mean())
    return PlaneMap(places=places / spread, explained=float(pca.explained_variance_ratio_.sum()))


def turn_onto(places: np.ndarray, target: np.ndarray) -> np.ndarray:
    """One map rotated, and mirrored where that helps, to lie on another as it best can; both [images, 2], centred."""
    turn, _ = orthogonal_procrustes(places, target)
    return places @ turn


def pair_moments(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What each image adds to the sums from which `likeness` follows, [images, MOMENTS]: for its bootstrap."""
    products = first[:, :, None] * second[:, None, :]  # [images, 2, 2]
    squares = [(own**2).sum(axis=1, keepdims=True) for own in (first, second)]
    return np.hstack([first, second, products.reshape(-1, 4), *squares])


def likeness(moments: np.ndarray) -> np.ndarray:
    """How much of one map's spread the other explains once it is turned and scaled to fit: 0 to 1.

    It is (the sum of the singular values of the cross-covariance)² over the product of both spreads, which is 1 less
    Gower's residual, and the same both ways round.

    Args:
        moments: Means of `pair_moments` over images, [..., MOMENTS].

    Returns:
        [...]; NaN where one of the maps has no spread, as in a resample that drew one image again and again.
    """
    means_a, means_b = moments[..., 0:2], moments[..., 2:4]
    crossed = moments[..., 4:8].reshape(*moments.shape[:-1], 2, 2) - means_a[..., :, None] * means_b[..., None, :]
    spreads = moments[..., 8:10] - np.stack([(means_a**2).sum(axis=-1), (means_b**2).sum(axis=-1)], axis=-1)
    explained, spread = np.linalg.svd(crossed, compute_uv=False).sum(axis=-1) ** 2, spreads.prod(axis=-1)
    return np.divide(explained, spread, out=np.full_like(spread, np.nan), where=spread > SAME**4)


def spread_out(places: np.ndarray, count: int) -> list[int]:
    """So many images far from each other on a map: each next one is the farthest from all before it, [images, 2]."""
    chosen = [int((places**2).sum(axis=1).argmin())]
    nearest = np.full(len(places), np.inf)
    while len(chosen) < min(count, len(places)):
        nearest = np.minimum(nearest, ((places - places[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return chosen


def sectors_of(places: np.ndarray, classes: np.ndarray, sectors: int) -> np.ndarray:
    """A colour for each class, [classes]: the sector of the circle in which its mean lies.

    Args:
        places: [images, 2].
        classes: Numbers of the classes, 0 to the largest, each with an image, [images].
        sectors: How many equal ones.
    """
    sizes = np.bincount(classes)
    means = np.stack([np.bincount(classes, places[:, axis]) / sizes for axis in (0, 1)])
    angle = np.arctan2(means[1], means[0]) % (2 * np.pi)
    return np.floor(angle / (2 * np.pi) * sectors).astype(int) % sectors
