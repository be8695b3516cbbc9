"""Several models' probabilities made one: a weighted mixture, and the choice of whom to trust about which class.

Sources: mixture weights of the highest likelihood by expectation maximisation, Dempster, Laird and Rubin 1977, JRSS B
39, section 4.3; choosing among classifiers by their record on the class that they name, Woods, Kegelmeyer and Bowyer
1997, IEEE Transactions on Pattern Analysis 19.
"""

from __future__ import annotations

import numpy as np

from visavis.evaluate.calibration import FLOOR

STEPS = 500
SETTLED = 1e-6  # no weight moves by more
PRIOR = 5  # images for which a model's accuracy on all classes counts in its record on one


def mixture_weights(own: np.ndarray) -> np.ndarray:
    """Weights of models, [models], that give the true classes the highest likelihood in their mixture.

    Args:
        own: Each model's probability of the true class, [images, models].

    Returns:
        Not negative, of sum 1; equal ones where there are no images.
    """
    own = np.maximum(own, FLOOR)
    weights = np.full(own.shape[1], 1 / own.shape[1])
    for _ in range(STEPS if len(own) else 0):
        shares = own * weights
        following = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        moved, weights = np.abs(following - weights).max(), following
        if moved < SETTLED:
            break
    return weights


def record_by_class(predicted: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """How often each model was right when it named a class, [classes, models].

    A class that a model named rarely is near the model's accuracy on all images, which counts as `PRIOR` images.

    Args:
        predicted: The class that each model names, [images, models].
        truth: [images].
        n_classes: Of the result's rows.
    """
    right = predicted == truth[:, None]
    overall = right.sum(axis=0) / max(len(right), 1)  # [models]
    columns = []
    for model in range(predicted.shape[1]):
        named = np.bincount(predicted[:, model], minlength=n_classes)
        hits = np.bincount(predicted[:, model], right[:, model], minlength=n_classes)
        columns.append((hits + PRIOR * overall[model]) / (named + PRIOR))
    return np.column_stack(columns)


def by_best_record(predicted: np.ndarray, record: np.ndarray) -> np.ndarray:
    """The class named by the model with the best record on the class it names, [images]; of equals, the first model.

    Args:
        predicted: The class that each model names, [images, models].
        record: Of `record_by_class`, on other images, [classes, models].
    """
    trust = record[predicted, np.arange(predicted.shape[1])]  # [images, models]
    return predicted[np.arange(len(predicted)), trust.argmax(axis=1)]
