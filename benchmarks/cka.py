"""Linear CKA between all layers of two 12-block networks, held against encoding the same images with both.

    python benchmarks/cka.py
    python benchmarks/cka.py vit_small_patch16_224 ViT-B-16 --images 200 --rounds 5

Both take turns in one process on the same files, with the same threads and PyTorch as the engine of both. The clock of
CKA covers all that `compare_layers` does, from taking the networks apart to the noise floor. The networks have fresh
weights, the images are noise: neither changes what is computed. Where other programs share the machine, seconds say
little; processor seconds, on one thread (OMP_NUM_THREADS=1), more.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import visavis
from visavis.inspection.opened import BATCH_SIZE
from visavis.inspection.sight.cka import compare_layers

MOST_TIME = 1.3  # target: times encoding with both


def main() -> None:
    """Measures in turn, and prints medians with the least and the most of each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=["vit_base_patch32_224", "ViT-B-32"])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    a, b = (visavis.load(name, weights=None, engine="torch") for name in given.models)
    with tempfile.TemporaryDirectory(prefix="visavis-cka-") as folder:
        paths = write_images(Path(folder), given.images)

        def encode() -> None:
            for encoder in (a, b):
                encoder.encode_images(paths, batch_size=BATCH_SIZE)

        rounds = [
            (clock(encode), clock(lambda: compare_layers(a, b, paths, BATCH_SIZE, seed=0))) for _ in range(given.rounds)
        ]
    print(f"{' and '.join(given.models)}, {given.images} images, {torch.get_num_threads()} threads, by turns")
    for at, name in enumerate(("seconds", "processor seconds")):
        encoded, compared = ([figures[at] for figures in column] for column in zip(*rounds, strict=True))
        ratios = [one / other for one, other in zip(compared, encoded, strict=True)]
        print(
            f"{name}: encoding {spread(encoded)}, CKA {spread(compared)}, ratio {spread(ratios)} (at most {MOST_TIME})"
        )


def write_images(folder: Path, count: int) -> list[Path]:
    """JPEG files of 320 x 256 pixels of coarse noise, which take as long to decode as small photographs."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (16, 20, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.jpg")
        coarse.resize((320, 256), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def clock(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def spread(values: list[float]) -> str:
    """The median, and within what all of them lay."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
