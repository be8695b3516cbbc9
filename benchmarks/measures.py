"""What measures and statistics add to the encoding: a whole study of 10,000 photographs and three published networks.

    python benchmarks/measures.py
    python benchmarks/measures.py --images 2000

The vectors are drawn, not encoded, and lie in the cache, so that the study's time is that of reading images, measures,
chapters, statistics and the page. Each network, with fresh weights, is timed by the study on some of the images; the
seconds that encoding takes follow from that. Exporting networks and choosing their engines, which is done once for each
network and kept, is told apart. Images are JPEGs of 500 x 375 pixels, half of them to train on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from visavis.data.dataset import Sample
from visavis.data.read import read_dataset
from visavis.data.views import parse_view
from visavis.engine import embed
from visavis.engine.cache import default_cache
from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.study import compare as study

NETWORKS = ("ViT-B-32", "RN50", "resnet50")
CLASSES = 100
SIZE = (500, 375)
MOST = 0.25  # target: of the time to encode


def main() -> None:
    """Prints the seconds of each stage, and their sum as a share of the encoding's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VISAVIS_CACHE"] = f"{folder}/cache"
        photographs(Path(folder) / "photographs", given.images)
        encoders = {name: load(name, weights=None) for name in NETWORKS}
        study.load = lambda name, **terms: encoders[name]
        samples = read_dataset(Path(folder) / "photographs").samples
        begun = time.perf_counter()
        for encoder in encoders.values():
            embed.count_missing(encoder, samples, parse_view("clean"), default_cache())  # opens its engine
        choosing = time.perf_counter() - begun
        embed._encode = drawn  # in place of the networks
        stages = Stopwatch()
        begun = time.perf_counter()
        found = study.compare(NETWORKS, Path(folder) / "photographs", Path(folder) / "study", progress=stages)
        taken = time.perf_counter() - begun
    speeds = found.results[found.results["metric"] == "images_per_s"].set_index("model")["value"]
    encoding = sum(given.images / speed for speed in speeds)
    for stage, seconds in sorted(stages.seconds.items(), key=lambda entry: -entry[1])[:15]:
        print(f"{seconds:7.1f} s  {stage}")
    rates = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
    print(f"Encoding {given.images:,} images takes {encoding:,.0f} s ({rates} images/s),")
    print(f"choosing engines {choosing:.0f} s; all else took {taken:,.0f} s,")
    print(f"{taken / encoding:.0%} of the encoding. Target: at most {MOST:.0%}.")


class Stopwatch:
    """Seconds since the last call, for each stage that a study tells of."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


def photographs(folder: Path, count: int) -> None:
    """JPEGs that differ in colours and grain, in a folder for each class."""
    generator = np.random.default_rng(0)
    grain = generator.normal(0, 12, (SIZE[1], SIZE[0], 1))
    for number in range(count):
        own = folder / f"class {number % CLASSES:02d}"
        own.mkdir(parents=True, exist_ok=True)
        corners = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(SIZE, Image.BICUBIC)
        pixels = np.asarray(corners, np.int16) + np.roll(grain, number % SIZE[0], axis=1).astype(np.int16)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(own / f"{number}.jpg", quality=90)


def drawn(
    encoder: Encoder, engine: object, samples: Sequence[Sample], view: object, progress: object
) -> list[np.ndarray]:
    """Vectors of Gaussian classes that a linear probe tells apart in most cases, float32 [samples, feature_dim]."""
    classes = np.random.default_rng(1).standard_normal((CLASSES, encoder.feature_dim), np.float32)
    spread = 6 * np.linspace(2, 0.2, encoder.feature_dim, dtype=np.float32)
    noise = np.random.default_rng(int(samples[0].id, 16))
    rows = [int(str(sample.label).rpartition(" ")[2]) for sample in samples]
    return [classes[rows] + spread * noise.standard_normal((len(rows), encoder.feature_dim), np.float32)]


if __name__ == "__main__":
    main()
