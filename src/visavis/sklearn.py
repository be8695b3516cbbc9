"""Encoders as a scikit-learn transformer: images in, vectors out, so that a pipeline ends in any of its estimators.

>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> make_pipeline(ImageEncoder("resnet-mini.emoji"), LogisticRegression()).steps[0][1].model
'resnet-mini.emoji'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.engine.pictures import ImageLike, list_images
from visavis.errors import UsageError


class ImageEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turns images into a model's vectors. Fitting loads the model and learns nothing.

    Args:
        model: A name, a checkpoint file, or an `Encoder`; as in `visavis.load`.
        normalize: Whether each vector is scaled to length 1.
        batch_size: Images encoded at once.

    Attributes:
        encoder_: The loaded model, after `fit`.
        n_features_out_: Its embed_dim, after `fit`.
    """

    def __init__(self, model: str | Path | Encoder = "RN-mini.emoji", *, normalize: bool = False, batch_size: int = 32):
        self.model = model
        self.normalize = normalize
        self.batch_size = batch_size

    def fit(self, X: Iterable[ImageLike], y: Any = None) -> ImageEncoder:  # noqa: N803  # scikit-learn's name
        """Loads the model.

        Args:
            X: Images: paths, encoded bytes, Pillow images, or uint8 arrays [height, width, 3].
            y: Ignored.

        Raises:
            UsageError: No such model, or what was given is no list of images.
        """
        _images(X)
        self.encoder_ = self.model if isinstance(self.model, Encoder) else load(self.model)
        self.n_features_out_ = self._n_features_out = self.encoder_.embed_dim
        return self

    def transform(self, X: Iterable[ImageLike]) -> np.ndarray:  # noqa: N803
        """Images as vectors, float32 [images, embed_dim], in order.

        Raises:
            NotFittedError: `fit` was not called.
            UnreadableImage: One of them cannot be decoded.
            UsageError: What was given is no list of images.
        """
        check_is_fitted(self)
        return self.encoder_.encode_images(_images(X), batch_size=self.batch_size, normalize=self.normalize)

    def __getstate__(self) -> dict[str, Any]:
        """A model that was named is named in the pickle, and loaded again: weights of gigabytes stay where they are."""
        state = dict(super().__getstate__())
        if not isinstance(self.model, Encoder) and "encoder_" in state:
            state["encoder_"] = state["encoder_"].fingerprint
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Raises UsageError where the name stands for other weights by now."""
        super().__setstate__(state)
        fingerprint = state.get("encoder_")
        if isinstance(fingerprint, str) and not isinstance(self.model, Encoder):
            self.encoder_ = load(self.model)
            if self.encoder_.fingerprint != fingerprint:
                raise UsageError(
                    f"The pickled ImageEncoder used other weights than {str(self.model)!r} has now. Fit it again."
                )

    def __sklearn_tags__(self) -> Any:
        """Images are no table of numbers, and nothing is learned from them."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []  # vectors are float32 whatever comes in
        tags.no_validation = True
        return tags


def _images(images: Any) -> list[ImageLike]:
    """A list of images from what scikit-learn hands on: lists, tuples, object arrays, columns of a table."""
    if hasattr(images, "to_numpy"):
        images = images.to_numpy()
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        images = images.ravel().tolist()
    if isinstance(images, Sequence | np.ndarray) and not len(images):
        raise UsageError("The list of images is empty. Give at least one.")
    return list_images(images)
