"""Labels that look wrong, and images in no way like the rest.

Sources: thresholds of confident learning, Northcutt, Jiang and Chuang 2021, Confident Learning, section 3.1; the fence
around quartiles, Tukey 1977, Exploratory Data Analysis, section 2E, at the distance that Hoaglin and Iglewicz 1987,
Journal of the American Statistical Association 82, found to be the best.
"""

from __future__ import annotations

import numpy as np

FEWEST = 5  # images of a label; the mean of fewer is no threshold
HALF = 0.5  # the threshold of such a label: likelier than all other classes together
TRUSTED = 0.8  # share of right answers among those that all models give beyond doubt; weaker models convict no label
FENCE = 2.2  # quartile distances below the lower quartile: one image in 7,000 where similarities follow the normal law


def confident_class(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class to which each image belongs beyond doubt, or -1, [images].

    A class is in question for an image where its probability reaches the mean that it has on images of its own label,
    or `HALF` where these are fewer than `FEWEST`; of several such classes the likeliest counts. So a model that is
    unsure of a class everywhere is not held to 50%.

    Args:
        probabilities: Of a model that did not see these labels, [images, classes].
        labels: The column of each image's label [images].
    """
    n_classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    count = np.bincount(labels, minlength=n_classes)
    mean = np.bincount(labels, own, minlength=n_classes) / np.maximum(count, 1)
    thresholds = np.where(count >= FEWEST, mean, HALF)
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    likeliest = reached.argmax(axis=1)
    return np.where(reached.max(axis=1) >= 0, likeliest, -1)


def doubted_labels(probabilities: list[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images that every model puts, beyond doubt, into the same class, which is not their label.

    Args:
        probabilities: One [images, classes] for each model.
        labels: The column of each image's label [images].

    Returns:
        Their numbers and the class that the models agree on, each [doubted]; those whose label the models together find
        least likely, beside that class, first. None where the models' common voice is right too rarely to be `TRUSTED`.
    """
    classes = np.stack([confident_class(scores, labels) for scores in probabilities])  # [models, images]
    agreed = (classes == classes[0]).all(axis=0) & (classes[0] >= 0)
    contradicted = agreed & (classes[0] != labels)
    trusted = contradicted.sum() <= (1 - TRUSTED) * agreed.sum()
    found = np.flatnonzero(contradicted) if trusted else np.empty(0, int)
    mean = np.mean([scores[found] for scores in probabilities], axis=0)
    rows = np.arange(len(found))
    margin = mean[rows, classes[0, found]] - mean[rows, labels[found]]
    order = np.argsort(-margin, kind="stable")
    return found[order], classes[0, found[order]]


def is_outside(similarity: np.ndarray) -> np.ndarray:
    """Whether each image's similarity to its neighbours lies outside Tukey's fence, bool [images]."""
    lower, upper = np.quantile(similarity, [0.25, 0.75])
    return similarity < lower - FENCE * (upper - lower)
