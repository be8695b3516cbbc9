"""How near are narrow numbers? Vectors and answers of the embedded models on emoji that calibrated nothing.

    python benchmarks/int8.py

Answers are the nearest of 678 names for the CLIPs, and the first class of its head for a model of labels; calibrated is
with 128 training images, compared are the 678 of the test part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from visavis.data.dataset import Dataset, Sample
from visavis.data.read import read_dataset
from visavis.engine.encoder import Encoder
from visavis.engine.engines.choose import open_engine
from visavis.engine.engines.engine import NARROW, missing_package
from visavis.engine.load import load
from visavis.engine.pictures import read_picture
from visavis.zoo.catalogue import EMBEDDED

BATCH = 128


def main() -> None:
    """Prints one row a model and engine."""
    dataset = read_dataset("emoji")
    parts = {
        part: [sample for sample in dataset.samples if (sample.part == "test") == (part == "test")]
        for part in ("train", "test")
    }
    print("| model | engine | same answer, % | cosine, mean | least |\n|---|---|---|---|---|")
    for name in EMBEDDED:
        encoder = load(name)
        answer = answers(encoder, dataset)
        images = pixels(encoder, parts["test"])
        exact = encoder.project(encode(encoder, "torch", images, images))
        for engine in NARROW:
            if missing_package(engine):
                continue
            calibration = pixels(encoder, parts["train"][:: len(parts["train"]) // 256][:256])
            near = encoder.project(encode(encoder, engine, images, calibration))
            cosines = (near * exact).sum(axis=1) / np.linalg.norm(near, axis=1) / np.linalg.norm(exact, axis=1)
            same = 100 * (answer(near) == answer(exact)).mean()
            print(f"| {name} | `{engine}` | {same:.1f} | {cosines.mean():.5f} | {cosines.min():.4f} |", flush=True)


def pixels(encoder: Encoder, samples: Sequence[Sample]) -> torch.Tensor:
    """float32 [samples, 3, side, side]."""
    return torch.stack([encoder.preprocess(read_picture(sample)) for sample in samples])


def encode(encoder: Encoder, engine: str, images: torch.Tensor, calibration: torch.Tensor) -> np.ndarray:
    """Features by a fresh engine, float32 [images, feature_dim]."""
    with tempfile.TemporaryDirectory() as cache:
        opened = open_engine(engine, encoder.feature_network, Path(cache), lambda most: calibration[:most])
        return np.concatenate([opened.encode(batch).numpy() for batch in images.split(BATCH)])


def answers(encoder: Encoder, dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
    """What a model says to vectors [images, embed_dim]."""
    if encoder.has_text:
        names = [name.replace("_", " ") for name in dataset.classes]
        weight = encoder.zero_shot_classifier(names, list(dataset.templates) or None)
        return partial(highest, weight=weight, bias=np.zeros(len(names), np.float32))
    assert encoder.head is not None, "the embedded models of labels have heads"
    weight, bias = encoder.head
    return partial(highest, weight=weight, bias=bias)


def highest(vectors: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The class with the highest score, [images]."""
    return (vectors @ weight.T + bias).argmax(axis=1)


if __name__ == "__main__":
    main()
