"""Searches with the thread pools that an ordinary process has: NumPy's, and FAISS's.

``python -m benchmarks.threads``: every contestant in a process of its own, in turn, since idle threads of one
would disturb the next.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from statistics import median
from unittest.mock import patch

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import run_alone
from benchmarks.synthetic import DESCRIPTION, collection_of
from benchmarks.timing import Timings, run_parts, table
from i2v_search import Collection
from i2v_search.index.measuring import choose_queries
from i2v_search.index.planner import IndexOptions
from i2v_search.index.vector_index import VectorIndex

ROUNDS, TOP = 5, 10
BATCHES = (1, 4, 32, 128)
#: Seconds of searches for one measurement.
LEAST = 1.0
#: Threads of the process (None: a core each), and whether the index limits them.
CONTESTANTS = {
    "VectorIndex.search": (None, True),
    "its pools left alone": (None, False),
    "its pools left alone, OMP_NUM_THREADS=1": (1, False),
}


def part(count: int, command: str) -> str:
    """All measurements on one synthetic collection."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    with collection_of(count) as directory:
        Collection.open(directory).index(options=IndexOptions(kind="pca", graph=False))
        for _ in range(ROUNDS):
            for name, (threads, limited) in CONTESTANTS.items():
                job = run_alone("benchmarks.threads:search", directory, limited, threads=threads)
                taken[name].append(job.answer)
    ours, *_ = CONTESTANTS
    lines = []
    for size in map(str, BATCHES):
        timings = Timings({name: tuple(job[size] for job in jobs) for name, jobs in taken.items()}, cpu={})
        for name in CONTESTANTS:
            lines.append([size, name, timings.spread(name).duration, timings.ratio(name, ours).show()])
    return table(["queries", "what", "time", f"over {ours}"], lines) + (
        f"\n\n{count:,} rows of 4,096 dimensions, kind pca. {DESCRIPTION} Each cell is from {ROUNDS} "
        f"processes in turn, and the median of a second of searches in each. {command}"
    )


def search(directory: str, limited: bool) -> dict[str, float]:
    """Median seconds of a search, by number of queries."""
    index = Collection.open(directory)._state.index
    assert isinstance(index, VectorIndex)
    rows = choose_queries(index.store, 2 * max(BATCHES), seed=1)
    queries = index.similarity.embed_rows(index.store, rows)
    draw = np.random.default_rng(1)
    unlimited = patch("i2v_search.index.vector_index.threads_for", lambda queries: nullcontext())
    with nullcontext() if limited else unlimited:
        return {str(size): _seconds(index, queries, size, draw) for size in BATCHES}


def _seconds(index: VectorIndex, queries: NDArray[np.float32], size: int, draw: np.random.Generator) -> float:
    taken: list[float] = []
    while len(taken) < 10 or sum(taken) < LEAST:
        first = int(draw.integers(len(queries) - size))
        started = time.perf_counter()
        index.search(queries[first : first + size], TOP)
        taken.append(time.perf_counter() - started)
    return median(taken[len(taken) // 10 :])


if __name__ == "__main__":
    assert faiss.omp_get_max_threads() > 1, "there is nothing to see on one core or with OMP_NUM_THREADS=1"
    run_parts("threads", ["faiss-cpu", "numpy", "threadpoolctl"], {"20k": partial(part, 20_000)})
