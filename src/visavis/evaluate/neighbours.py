"""Do two models see the same images as alike? What can be asked of vectors when nothing is known of the images.

Sources: shared nearest neighbours, Klabunde et al. 2025, ACM Computing Surveys 57, section 3.3; clusters, Lloyd 1982,
IEEE Transactions on Information Theory 28, by scikit-learn; their likeness, Vinh, Epps and Bailey 2010, Journal of
Machine Learning Research 11.
"""

from __future__ import annotations

import numpy as np

from visavis.evaluate.scores import require_finite, unit_rows

ROWS = 512  # images at once
STARTS = 4  # of k-means, of which the tightest is kept


def nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    """The nearest other images by cosine, in no order: places, int64 [images, count].

    Args:
        vectors: float32 [images, embed_dim].
        count: Less than the number of images.

    Raises:
        NotMeasurable: Vectors that are no numbers.
    """
    require_finite(vectors)
    vectors = unit_rows(vectors)
    blocks = []
    for start in range(0, len(vectors), ROWS):
        cosines = vectors[start : start + ROWS] @ vectors.T
        np.fill_diagonal(cosines[:, start:], -np.inf)  # an image is no neighbour of its own
        blocks.append(np.argpartition(-cosines, count - 1, axis=1)[:, :count])
    return np.concatenate(blocks)


def shared_neighbours(nearest_a: np.ndarray, nearest_b: np.ndarray) -> np.ndarray:
    """For each image the share of its nearest ones that two models have in common.

    Args:
        nearest_a: Of `nearest`, [images, count].
        nearest_b: The same of another model.

    Returns:
        0 to 1, [images]; of models that have nothing to do with each other count / (images - 1) in the mean.
    """
    both = np.sort(np.concatenate([nearest_a, nearest_b], axis=1), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(axis=1) / nearest_a.shape[1]


def clusters(vectors: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """k-means of unit vectors.

    Args:
        vectors: float32 [images, embed_dim].
        count: How many clusters; no more than images.
        seed: Of the starts.

    Returns:
        Each image's cluster, the largest first, int64 [images]; and its distance to the cluster's middle, [images].

    Raises:
        NotMeasurable: Vectors that are no numbers.
    """
    from sklearn.cluster import KMeans

    require_finite(vectors)
    directions = unit_rows(vectors)
    count = min(count, len(np.unique(directions, axis=0)))
    fitted = KMeans(count, n_init=STARTS, random_state=seed).fit(directions)
    distance = np.linalg.norm(directions - fitted.cluster_centers_[fitted.labels_], axis=1)
    sizes = np.bincount(fitted.labels_, minlength=count)
    place = np.empty(count, int)
    place[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return place[fitted.labels_], distance


def clusters_alike(clusters_a: np.ndarray, clusters_b: np.ndarray) -> float:
    """Adjusted mutual information of two clusterings of the same images: 1 where they are equal, 0 by chance."""
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(clusters_a, clusters_b))
