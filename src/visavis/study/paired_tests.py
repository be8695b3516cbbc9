"""Tests of two models on the same images: that they differ, also where images belong together, and that they do not.

Sources: McNemar 1947, Psychometrika 12. Sign flips, Fisher 1935, The Design of Experiments, section 21. Two one-sided
tests, Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, with the standard error of Bonett and Price
2012, Journal of Educational and Behavioral Statistics 37.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, stdtr
from scipy.stats import binom

from visavis.study.bootstrap import design_effects, group_sums, with_one_more_each


def mcnemar(only_a: np.ndarray, only_b: np.ndarray) -> np.ndarray:
    """Exact two-sided p-values: were it a fair coin which of the two models is right where they differ?

    Args:
        only_a: Images on which a alone is right, [pairs].
        only_b: Images on which b alone is right, [pairs].

    Returns:
        [pairs]; 1 where the models never differ.
    """
    fewer = np.minimum(only_a, only_b)
    return np.minimum(1.0, 2 * bdtr(fewer, only_a + only_b, 0.5))


def sign_flip(sums: np.ndarray) -> np.ndarray:
    """Exact two-sided p-values: were it a fair coin which way each group's sum of differences points?

    Every flip of every coin is counted, by adding up the binomial laws of the sums' sizes. Where all sums are -1, 0 or
    1, as for images that stand alone, this is McNemar's exact test.

    Args:
        sums: Whole numbers, [groups, pairs]; see `group_sums`.

    Returns:
        [pairs]; 1 where no group tells two models apart.
    """
    return np.array([_sign_flip(column) for column in np.rint(sums).astype(int).T])


def equivalence(contrasts: np.ndarray, strata: np.ndarray, margin: float) -> np.ndarray:
    """P-values of two one-sided tests that a mean difference lies outside the margin: small ones show it is inside.

    One image is added for each side, so that models which a handful of images cannot tell apart do not pass for equal.

    Args:
        contrasts: Differences of right answers, -1, 0 or 1, NaN where an image was not asked, [images, pairs].
        strata: Of `strata_of`; with groups the tests count these.
        margin: A difference that makes none, a fraction.

    Returns:
        [pairs].
    """
    asked = ~np.isnan(contrasts)
    differences = np.where(asked, contrasts, 0.0)
    effects = design_effects(differences, asked.astype(float), strata)
    centre, error = with_one_more_each(differences, asked.sum(axis=0), effects, np.ones(contrasts.shape[1]))
    # Student's law for groups; that of 1e9 degrees of freedom is the normal one
    freedom = 1e9 if strata.ndim == 1 else np.maximum((group_sums(asked, strata) > 0).sum(axis=0) - 1, 1)
    return np.asarray(np.maximum(stdtr(freedom, (centre - margin) / error), stdtr(freedom, -(centre + margin) / error)))


def _sign_flip(sums: np.ndarray) -> float:
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    if len(sizes) <= 1:
        return float(mcnemar(np.array((sums > 0).sum()), np.array((sums < 0).sum())))
    ahead, total = int(sums[sums > 0].sum()), int((sizes * counts).sum())
    law = np.ones(1)  # of the sum of the sizes that point one way
    for size, count in zip(sizes, counts, strict=True):
        steps = np.zeros(size * count + 1)
        steps[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        law = np.convolve(law, steps)
    return float(min(1.0, 2 * law[: min(ahead, total - ahead) + 1].sum()))
