"""CLIP_benchmark's accuracies and recalls on the same vectors: equal numbers, not near ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
from sklearn.metrics import balanced_accuracy_score

from visavis.evaluate.retrieval import retrieve
from visavis.evaluate.scores import predictions_from_scores
from visavis.evaluate.zero_shot import zero_shot
from visavis.study.summary import summarize

IMAGES, CAPTIONS, DIM = 60, 5, 8


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Given:
    """A "model" whose inputs are its vectors already."""

    def encode_image(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors

    def encode_text(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors


@pytest.fixture
def vectors() -> tuple[np.ndarray, np.ndarray]:
    """Images, and the captions of each, near it: float32 [60, 8] and [60, 5, 8]."""
    random = np.random.default_rng(0)
    images = random.normal(size=(IMAGES, DIM))
    captions = images[:, None] + random.normal(size=(IMAGES, CAPTIONS, DIM))
    return images.astype(np.float32), captions.astype(np.float32)


def test_recall_both_ways(vectors):
    images, captions = vectors
    batches = [
        (torch.from_numpy(images[part]), captions[part]) for part in (slice(0, 25), slice(25, 50), slice(50, 60))
    ]
    theirs = zeroshot_retrieval.evaluate(
        Given(), batches, lambda texts: torch.from_numpy(np.stack(texts)), "cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    texts = captions.reshape(-1, DIM)
    by_text = retrieve(texts, images, [np.array([number // CAPTIONS]) for number in range(len(texts))])
    by_image = retrieve(images, texts, list(np.arange(len(texts)).reshape(IMAGES, CAPTIONS)))
    for first in (1, 5, 10):
        assert 0.1 < theirs[f"image_retrieval_recall@{first}"] < 1
        assert (by_text.rank <= first).mean() == pytest.approx(theirs[f"image_retrieval_recall@{first}"], abs=1e-6)
        assert (by_image.rank <= first).mean() == pytest.approx(theirs[f"text_retrieval_recall@{first}"], abs=1e-6)


def test_zero_shot_accuracies(vectors):
    """Its logits, counted here: its own count of the first five does not run on NumPy 2.4."""
    images, _ = vectors
    random = np.random.default_rng(1)
    names = [f"class {number}" for number in range(7)]
    prompts = {name: random.normal(size=(3, DIM)).astype(np.float32) for name in names}
    truth = random.integers(0, 7, IMAGES)

    def tokenize(texts: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(texts))

    classifier = zeroshot_classification.zero_shot_classifier(Given(), tokenize, names, prompts, "cpu", amp=False)
    batches = [(torch.from_numpy(images), torch.from_numpy(truth))]
    logits, _ = zeroshot_classification.run_classification(Given(), classifier, batches, "cpu", amp=False)
    first_five = logits.topk(5).indices.numpy()

    ours = unit(np.stack([unit(prompts[name]).mean(axis=0) for name in names]))
    table = predictions_from_scores(zero_shot(images, ours, 100.0), names, [names[label] for label in truth])
    ids = [f"{number:03d}" for number in range(IMAGES)]
    table = table.assign(sample=ids, model="m", view="clean", measure="zero_shot", draw=0)
    found = summarize(table, draws=10).set_index("metric")["value"]
    assert found["accuracy"] == pytest.approx((first_five[:, 0] == truth).mean(), abs=1e-9)
    assert found["accuracy@5"] == pytest.approx((first_five == truth[:, None]).any(axis=1).mean(), abs=1e-9)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, first_five[:, 0]), abs=1e-9)


def test_mean_average_precision_is_that_of_its_multi_label_data():
    random = np.random.default_rng(2)
    images = random.normal(size=(50, DIM)).astype(np.float32)
    classes = random.normal(size=(6, DIM)).astype(np.float32)
    holds = random.random((50, 6)) < 0.3
    scores = torch.from_numpy(unit(images) @ unit(classes).T)
    theirs = zeroshot_classification.average_precision_per_class(scores, torch.from_numpy(holds).float())
    found = retrieve(classes, images, [np.flatnonzero(column) for column in holds.T])
    np.testing.assert_allclose(found.average_precision, theirs.numpy(), atol=1e-6)
