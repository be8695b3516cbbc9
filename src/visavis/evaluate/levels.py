"""What a model keeps of its accuracy when something is taken from the images, averaged over how much is taken.

Accuracies of models differ on whole images already; the share that is kept tells who needs what was taken away.
"""

from __future__ import annotations

import numpy as np


def kept_share(clean: np.ndarray, changed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of the clean accuracy that is left, and what each image adds to it.

    Args:
        clean: 1 where a model is right on the unchanged image, [images, models].
        changed: The mean of the same over some views, [images, models].

    Returns:
        The ratio of the two accuracies, [models], NaN where a model is never right; and values [images, models] whose
        mean is that ratio and whose scatter is that of the ratio (its linearisation: Cochran 1977, Sampling Techniques,
        section 6.3), so that means and paired tests of them are those of ratios.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = changed.mean(axis=0) / clean.mean(axis=0)
        return ratio, ratio + (changed - ratio * clean) / clean.mean(axis=0)
