"""How near are narrow numbers? Vectors and answers of the embedded models on the embedded emoji.

    python benchmarks/int8.py

Answers are the nearest of all names for the CLIPs, and the first class of its head for a model of labels. Calibrated is
with 128 training images. Compared are the 678 of the test part, which calibrated and trained nothing, and all 4,468.
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
    everything = read_dataset("emoji-all")
    print("| model | engine | same answer, % | of all | cosine, mean | least |\n|---|---|---|---|---|---|")
    for name in EMBEDDED:
        encoder = load(name)
        answer, answer_to_all = answers(encoder, dataset), answers(encoder, everything)
        images, all_images = pixels(encoder, parts["test"]), pixels(encoder, everything.samples)
        exact, all_exact = (encoder.project(encode(encoder, "torch", some, some)) for some in (images, all_images))
        for engine in NARROW:
            if missing_package(engine):
                continue
            calibration = pixels(encoder, parts["train"][:: len(parts["train"]) // 256][:256])
            both = encoder.project(encode(encoder, engine, torch.cat([images, all_images]), calibration))
            near, all_near = both[: len(images)], both[len(images) :]
            cosines = (near * exact).sum(axis=1) / np.linalg.norm(near, axis=1) / np.linalg.norm(exact, axis=1)
            same = 100 * (answer(near) == answer(exact)).mean()
            of_all = 100 * (answer_to_all(all_near) == answer_to_all(all_exact)).mean()
            found = f"{same:.1f} | {of_all:.1f} | {cosines.mean():.5f} | {cosines.min():.4f}"
            print(f"| {name} | `{engine}` | {found} |", flush=True)


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
