"""Time of an exact search among a million vectors of 512 numbers, in turn with NumPy and, if it is installed, faiss.

    make bench-search        # or: python benchmarks/search.py --rows 100000

It writes a file as `visavis embed` does (random vectors, 2 GB, kept in out/bench-search for the next time), opens it
as `visavis search` does, and times the search: the cosines of all vectors, the best twenty, their names. The file is in
the system's memory by then. NumPy's product gives no more than the cosines. As nothing can be quicker than memory is
read, that is timed too. Processor time stands beside time by the clock: on a machine that does other things they part.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from visavis.bulk.collection import map_collection
from visavis.bulk.embedding_file import Row, schema_of, table_of, write_tables
from visavis.bulk.nearest import nearest

DIM, TOP, ROUNDS, ROWS = 512, 20, 15, 10_000
TARGET_S = 0.25  # of a million, on two cores
ABOUT = {"model": "random", "fingerprint": "0" * 64, "embed_dim": DIM, "view": "clean", "source": {}}


def main() -> None:
    """Prints the medians, with the least and the most of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("out/bench-search"))
    chosen = parser.parse_args()
    os.environ["VISAVIS_CACHE"] = str(chosen.folder / "cache")
    path = chosen.folder / f"{chosen.rows}.parquet"
    if not path.exists():
        chosen.folder.mkdir(parents=True, exist_ok=True)
        write_tables(path, schema_of(DIM, "float32", ABOUT), random_tables(chosen.rows))
    map_collection(path)  # makes the mapped file, the first time
    start = time.perf_counter()
    collection = map_collection(path)
    opened = time.perf_counter() - start
    print(f"{chosen.rows:,} vectors of {DIM}, opened in {opened:.3f} s; {os.cpu_count()} cores; medians of {ROUNDS}")
    query = unit(np.random.default_rng(1).standard_normal((1, DIM), np.float32))

    def search() -> list[int]:
        numbers, _ = nearest(collection.blocks, query[0], TOP)
        collection.rows(numbers)
        return list(numbers)

    whole = np.concatenate(collection.blocks)  # what NumPy and faiss want
    kinds: dict[str, Callable[[], Any]] = {
        "visavis: search": search,
        "numpy: product": lambda: whole @ query[0],
        "memory: read once": lambda: read_once(collection.blocks),
    }
    if find_spec("faiss"):
        import faiss

        kinds["faiss: exact"] = lambda: list(faiss.knn(query, whole, TOP, metric=faiss.METRIC_INNER_PRODUCT)[1][0])
        assert search() == kinds["faiss: exact"](), "the same images"
    medians = report(kinds)
    if chosen.rows == 1_000_000:
        verdict = "met" if medians["visavis: search"] <= TARGET_S else "missed"
        print(f"target {TARGET_S} s: {verdict}")


def random_tables(rows: int) -> Iterator[pa.Table]:
    """Vectors of random directions, some at a time."""
    random = np.random.default_rng(0)
    schema = schema_of(DIM, "float32", ABOUT)
    for start in range(0, rows, ROWS):
        vectors = unit(random.standard_normal((min(ROWS, rows - start), DIM), np.float32))
        named = enumerate(vectors, start)
        yield table_of([Row(id=f"{n:016x}", name=f"{n}.jpg", label=None, vector=vector) for n, vector in named], schema)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read_once(blocks: list[np.ndarray]) -> int:
    """Every byte looked at, by all cores, with next to no arithmetic."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return max(pool.map(lambda block: int(block.view(np.uint64).max()), blocks))


def report(kinds: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Times all in turn; the first round, which warms up, does not count."""
    clock: dict[str, list[float]] = {name: [] for name in kinds}
    processor: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(1 + ROUNDS):
        for name, work in kinds.items():
            start, busy = time.perf_counter(), time.process_time()
            work()
            if number:
                clock[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - busy)
    for name, seconds in clock.items():
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}; processor {statistics.median(processor[name]):.3f}"
        print(f"{name:20}{statistics.median(seconds):.3f} s  ({spread})")
    return {name: statistics.median(seconds) for name, seconds in clock.items()}


if __name__ == "__main__":
    main()
