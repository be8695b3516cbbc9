"""Does a model know when it is wrong? Accuracy on the images it is surest of, and the area under risk and coverage.

Who may leave the least sure images to a person asks which share must be left to reach an accuracy. Confidence serves
as an order alone, so that a model with wrong probabilities can still do well here.

Source: Geifman and El-Yaniv 2017, Selective Classification for Deep Neural Networks, section 2; the area (AURC) is of
Geifman, Uziel and El-Yaniv 2019, Bias-Reduced Uncertainty Estimation, section 2.
"""

from __future__ import annotations

import numpy as np


def kept(confidence: np.ndarray, coverage: float) -> np.ndarray:
    """How much each image counts where the surest are kept, [images]: 1, 0, or a share where equals are cut apart.

    Args:
        confidence: [images].
        coverage: Share of the images to keep, above 0, at most 1; rounded to whole images, at least one.
    """
    n = max(1, round(coverage * len(confidence)))
    least = -np.partition(-confidence, n - 1)[n - 1]
    surer, equal = confidence > least, confidence == least
    return surer + equal * ((n - surer.sum()) / equal.sum())


def risk_coverage_area(confidence: np.ndarray, wrong: np.ndarray) -> tuple[float, np.ndarray]:
    """AURC: the error rate among the k surest images, averaged over all k; and what each image adds to it.

    Equal confidences count as in the mean over all their orders.

    Args:
        confidence: [images].
        wrong: 1.0 or 0.0, [images].

    Returns:
        The area, 0 to 1, smaller is better; and values [images] whose mean is the area and whose scatter is that of
        the area: the area's influence function (Hampel 1974, JASA 69) plus the area, for the bootstrap of means.
    """
    tied = np.unique(-confidence, return_inverse=True)[1]  # [images], the surest are 0
    sizes = np.bincount(tied)
    even = np.repeat(np.bincount(tied, wrong) / sizes, sizes)  # wrong answers of equals, spread evenly
    k = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(even) / k  # [images], among the k surest
    later = np.cumsum((1 / k)[::-1])[::-1]  # sum of 1 / k from here on
    later_risk = np.cumsum((risk / k)[::-1])[::-1]
    starts = np.cumsum(sizes) - sizes
    mean_of_equals = [(np.add.reduceat(values, starts) / sizes)[tied] for values in (later, later_risk, risk)]
    influence = wrong * mean_of_equals[0] - mean_of_equals[1] + mean_of_equals[2]
    return float(risk.mean()), influence


def least_area(n_wrong: int, n: int) -> float:
    """The area of an order in which all wrong answers come last: what no order beats."""
    k = np.arange(1, n + 1)
    return float((np.maximum(k - (n - n_wrong), 0) / k).mean())
