"""The transformer as scikit-learn's users have it: pipelines, searches, clones, pickles, its own checks."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data

import visavis
from visavis.errors import UsageError
from visavis.sklearn import ImageEncoder

ROUNDING = "float32 sums round differently by an image's place in its batch, by some 1e-7; the check allows less"
EXPECTED_FAILED_CHECKS = {
    "check_methods_subset_invariance": ROUNDING,
    "check_methods_sample_order_invariance": ROUNDING,
}


@pytest.fixture
def labelled(photos) -> tuple[list[str], list[str]]:
    paths = sorted(photos.rglob("*.png"))
    return [str(path) for path in paths], [path.parent.name for path in paths]


def test_vectors_are_the_encoder_s(models, labelled):
    images = labelled[0][:5]
    expected = visavis.load(models.clip_vit).encode_images(images, normalize=True)
    for model in (models.clip_vit, Path(models.clip_vit), visavis.load(models.clip_vit)):
        found = ImageEncoder(model, normalize=True).fit_transform(images)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.dtype == np.float32


def test_images_of_every_kind(models, labelled):
    images = labelled[0][:4]
    encoder = ImageEncoder(models.resnet).fit(images)
    expected = encoder.transform(images)
    opened = [Image.open(path).convert("RGB") for path in images]
    kinds = [
        tuple(images), np.array(images), np.array(images, object), np.array(images).reshape(-1, 1),
        pd.Series(images, index=[7, 3, 1, 0]), pd.DataFrame({"path": images}), opened,
        [Path(path).read_bytes() for path in images], np.stack([np.asarray(picture) for picture in opened]),
    ]  # fmt: skip
    for kind in kinds:
        np.testing.assert_array_equal(encoder.transform(kind), expected)


def test_a_pipeline_learns_and_a_search_finds(models, labelled):
    images, labels = labelled
    pipeline = make_pipeline(ImageEncoder(), LogisticRegression(max_iter=500))
    grid = {"imageencoder__model": [models.resnet, models.clip_vit], "imageencoder__normalize": [False, True]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(images, labels)
    assert search.best_score_ > 2 / 6  # of six colours; chance is a sixth
    assert search.best_params_["imageencoder__model"] in (models.resnet, models.clip_vit)
    assert not search.cv_results_["mean_fit_time"].min() < 0
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert again.predict(images).tolist() == search.predict(images).tolist()


def test_clones_know_the_settings_and_not_the_weights(models):
    encoder = ImageEncoder(models.vit, normalize=True, batch_size=3).fit([np.zeros((4, 4, 3), np.uint8)])
    copied = clone(encoder)
    assert copied.get_params() == {"model": models.vit, "normalize": True, "batch_size": 3}
    assert not hasattr(copied, "encoder_")
    with pytest.raises(NotFittedError):
        copied.transform(["x.png"])


def test_a_pickle_names_the_model_and_holds_no_weights(models, labelled):
    encoder = ImageEncoder(models.clip_resnet).fit(labelled[0])
    pickled = pickle.dumps(encoder)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(labelled[0][:2]), encoder.transform(labelled[0][:2]))
    held = ImageEncoder(visavis.load(models.clip_resnet).name).fit(labelled[0])
    assert pickle.loads(pickle.dumps(held)).n_features_out_ == 8
    assert not hasattr(pickle.loads(pickle.dumps(ImageEncoder(models.vit))), "encoder_")


def test_a_pickle_of_other_weights_is_refused(models, labelled, tmp_path):
    file = tmp_path / "m.safetensors"
    file.write_bytes(Path(models.clip_resnet).read_bytes())
    pickled = pickle.dumps(ImageEncoder(str(file)).fit(labelled[0]))
    file.write_bytes(Path(models.clip_vit).read_bytes())
    with pytest.raises(UsageError, match="used other weights"):
        pickle.loads(pickled)


def test_names_of_features(models, labelled):
    encoder = ImageEncoder(models.clip_vit).fit(labelled[0])
    assert encoder.get_feature_names_out().tolist() == [f"imageencoder{number}" for number in range(8)]
    shown = encoder.set_output(transform="pandas").transform(labelled[0][:2])
    assert list(shown) == encoder.get_feature_names_out().tolist()


@pytest.mark.parametrize("images", [[], np.array([], object), pd.Series([], dtype=object), "one.png", b"x", 7, [None]])
def test_what_is_no_list_of_images(models, labelled, images):
    encoder = ImageEncoder(models.vit).fit(labelled[0])
    with pytest.raises((UsageError, TypeError)):
        encoder.transform(images)


class Drawn(ImageEncoder):
    """Draws each row of numbers as a picture, so that scikit-learn's checks, which feed numbers, can be asked of it."""

    def fit(self, X, y=None):  # noqa: N803
        return super().fit(draw(validate_data(self, X, dtype=np.float64)))

    def transform(self, X):  # noqa: N803
        check_is_fitted(self)
        return super().transform(draw(validate_data(self, X, dtype=np.float64, reset=False)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array, tags.input_tags.string = True, False, False
        tags.no_validation = False
        return tags


def draw(rows: np.ndarray) -> list[np.ndarray]:
    return [np.resize((255 / (1 + np.exp(-row))).astype(np.uint8), (8, 8, 3)) for row in rows]


@pytest.mark.parametrize("kind", [ImageEncoder, Drawn])
def test_scikit_learns_own_checks(models, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # images as such are fed by none of them
        results = check_estimator(kind(models.vit), expected_failed_checks=EXPECTED_FAILED_CHECKS, on_skip=None)
    passed = [result for result in results if result["status"] == "passed"]
    assert len(passed) >= {ImageEncoder: 1, Drawn: 35}[kind]
