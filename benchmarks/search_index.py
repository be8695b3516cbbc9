"""Is an index worth it? Exact search against indexes of usearch and faiss: time to build and to ask, and recall.

    pip install usearch faiss-cpu && python benchmarks/search_index.py --rows 20000

The vectors lie as embeddings do, in clusters of low dimension: among random directions no index finds anything. Figures
are processor seconds, as waiting for other programs says nothing; recall is the share of the true twenty nearest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np
from usearch.index import Index

from visavis.bulk.nearest import nearest

DIM, INNER, CLUSTERS, TOP, QUERIES, BLOCK = 512, 64, 200, 20, 50, 16_384


def main() -> None:
    """Prints a line for each way to search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    random = np.random.default_rng(0)
    spread = random.standard_normal((INNER, DIM), np.float32)
    centres = random.standard_normal((CLUSTERS, INNER), np.float32)
    vectors, queries = (clustered(random, centres, spread, count) for count in (rows, QUERIES))
    blocks = [vectors[start : start + BLOCK] for start in range(0, rows, BLOCK)]
    exact = [list(nearest(blocks, query, TOP)[0]) for query in queries]

    def hnsw_of_usearch() -> Callable[[np.ndarray], np.ndarray]:
        index = Index(ndim=DIM, metric="cos", dtype="i8")
        index.add(np.arange(rows), vectors)
        return lambda query: index.search(query, TOP).keys

    def lists_of_faiss() -> Callable[[np.ndarray], np.ndarray]:
        n_lists = int(2 * rows**0.5)
        coarse, kind = faiss.IndexFlatIP(DIM), faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(coarse, DIM, n_lists, kind, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[: 64 * n_lists])
        index.add(vectors)
        index.nprobe = n_lists // 8
        return lambda query: index.search(query[None], TOP)[1][0]

    kinds = {
        "exact": lambda: lambda query: nearest(blocks, query, TOP)[0],
        "usearch HNSW int8": hnsw_of_usearch,
        "faiss IVF int8": lists_of_faiss,
    }
    for name, build in kinds.items():
        start = time.process_time()
        search = build()
        built = time.process_time()
        found = [search(query) for query in queries]
        asked = (time.process_time() - built) / QUERIES
        recall = np.mean([len(set(map(int, one)) & set(other)) / TOP for one, other in zip(found, exact, strict=True)])
        print(f"{name:20}build {built - start:6.1f} s   query {1e3 * asked:6.2f} ms   recall {recall:.3f}", flush=True)


def clustered(random: np.random.Generator, centres: np.ndarray, spread: np.ndarray, count: int) -> np.ndarray:
    """Unit vectors [count, DIM] near the centres [CLUSTERS, INNER], with a little noise in every direction."""
    inner = centres[random.integers(0, CLUSTERS, count)] + 0.7 * random.standard_normal((count, INNER), np.float32)
    vectors = inner @ spread + random.standard_normal((count, DIM), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
