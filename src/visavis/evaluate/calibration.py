"""Can a model's probabilities be believed? Calibration errors, proper scores, and temperature scaling.

Of images to which a model gives 80%, 80% should be right. The confidence is the probability of the predicted class.

Sources: Guo et al. 2017, On Calibration of Modern Neural Networks, sections 2 and 4.2 (calibration error, temperature);
Nguyen and O'Connor 2015, Posterior Calibration, section 3 (bins of equal mass); Kumar, Liang and Ma 2019, Verified
Uncertainty Calibration, section 5 (the debiased error); Brier 1950, Monthly Weather Review 78.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from visavis.evaluate.scores import softmax

BINS = 15  # as Guo et al.
FEWEST = 10  # images a bin; with fewer, its accuracy is noise
FLOOR = 1e-12  # a class without any probability, such as one that no neighbour votes for, would cost infinitely much
COLDEST, HOTTEST = 0.01, 100.0  # temperatures looked at
STEPS = 60


@dataclass(frozen=True, kw_only=True)
class ImageScores:
    """What each image adds to the scores of a model's probabilities, each [images].

    Attributes:
        confidence: Probability of the predicted class.
        right: 1.0 or 0.0.
        brier: Squared distance of the probabilities from the truth, over all classes, 0 to 2.
        nll: Negative logarithm of the true class's probability.
    """

    confidence: np.ndarray
    right: np.ndarray
    brier: np.ndarray
    nll: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """How much surer the model was than right; its mean is the overconfidence."""
        return self.confidence - self.right


def image_scores(probabilities: np.ndarray, truth: np.ndarray) -> ImageScores:
    """Scores of each image, from probabilities [images, classes] and the true column of each image [images]."""
    rows = np.arange(len(truth))
    predicted = probabilities.argmax(axis=1)
    own = probabilities[rows, truth].astype(float)
    squares = np.einsum("ij,ij->i", probabilities, probabilities).astype(float)
    return ImageScores(
        confidence=probabilities[rows, predicted].astype(float),
        right=(predicted == truth).astype(float),
        brier=squares - 2 * own + 1,
        nll=-np.log(np.maximum(own, FLOOR)),
    )


def equal_mass_bins(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bin of each image, [images], numbered upwards: as many images in each as equal confidences allow.

    There are fewer bins where each would hold fewer than `FEWEST` images. Images of one confidence share a bin, so that
    the order of the images changes nothing.
    """
    n = len(confidence)
    bins = max(1, min(bins, n // FEWEST))
    edges = np.sort(confidence)[np.arange(1, bins) * n // bins]  # the least of each further bin
    return np.unique(np.searchsorted(edges, confidence, side="right"), return_inverse=True)[1]


def expected_calibration_error(gap: np.ndarray, bins: np.ndarray) -> float:
    """ECE: the mean distance between confidence and accuracy over the bins, weighted by their images.

    Args:
        gap: Confidence less right, [images].
        bins: Of `equal_mass_bins`, [images].

    Returns:
        0 to 1. It is above 0 even for a calibrated model, as accuracies of few images scatter.
    """
    return float(np.abs(np.bincount(bins, gap)).sum() / len(gap))


def squared_error_debiased(gap: np.ndarray, bins: np.ndarray) -> float:
    """The mean squared distance between confidence and accuracy over the bins, without what scatter adds to it.

    Each bin's squared mean gap is larger than the true one by the variance of that mean, which is subtracted. Its root
    is the debiased l2 calibration error; below 0, which happens by chance, the model is as good as calibrated.

    Args:
        gap: Confidence less right, [images].
        bins: Of `equal_mass_bins`, [images].
    """
    count = np.bincount(bins)  # [bins]
    mean = np.bincount(bins, gap) / count
    spread = np.bincount(bins, (gap - mean[bins]) ** 2) / np.maximum(count - 1, 1)
    return float((count * (mean**2 - spread / count)).sum() / len(gap))


def error_if_calibrated(confidence: np.ndarray, bins: np.ndarray) -> float:
    """The ECE that a perfectly calibrated model with these confidences would show on average, by the normal law."""
    variance = np.bincount(bins, confidence * (1 - confidence))  # of each bin's right answers
    return float(np.sqrt(2 / math.pi * variance).sum() / len(confidence))


def logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Logits up to a constant of each row, float32 [images, classes]; no probability counts as less than `FLOOR`."""
    return np.log(np.maximum(probabilities, np.float32(FLOOR)))


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature whose softmax(logits / temperature) gives the true classes the highest likelihood.

    The likelihood has one peak in 1 / temperature, which Newton's method finds; a step that leaves the bracket is
    replaced by the bracket's middle.

    Args:
        logits: [images, classes], up to a constant of each row.
        truth: The true column of each image [images].

    Returns:
        From `COLDEST` to `HOTTEST`; above 1 for a model that is too sure; 1 where there is no image to fit it to.
    """
    if not len(truth):
        return 1.0
    own = logits[np.arange(len(truth)), truth]
    low, high, sharpness = 1 / HOTTEST, 1 / COLDEST, 1.0
    for _ in range(STEPS):
        weights = softmax(np.float32(sharpness) * logits)
        mean = np.einsum("ij,ij->i", weights, logits)
        slope = float((mean - own).mean(dtype=float))  # of the loss
        curvature = float((np.einsum("ij,ij,ij->i", weights, logits, logits) - mean**2).mean(dtype=float))
        low, high = (sharpness, high) if slope < 0 else (low, sharpness)
        proposed = sharpness - slope / curvature if curvature > 0 else math.nan
        following = proposed if low < proposed < high else math.sqrt(low * high)
        if abs(following - sharpness) <= 1e-5 * sharpness:
            break
        sharpness = following
    return 1 / sharpness


def fit_on_other_half(logits: np.ndarray, truth: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Temperatures for the images outside and inside `second`, each fitted on the images of the other half.

    Args:
        logits: [images, classes].
        truth: [images].
        second: Whether an image is of the second half, bool [images].
    """
    return fit_temperature(logits[second], truth[second]), fit_temperature(logits[~second], truth[~second])


def scaled(logits: np.ndarray, temperatures: tuple[float, float], second: np.ndarray) -> np.ndarray:
    """Probabilities at the temperatures of `fit_on_other_half`, float32 [images, classes]."""
    sharpness = np.where(second, 1 / temperatures[1], 1 / temperatures[0]).astype(np.float32)
    return softmax(logits * sharpness[:, None])
