"""Search against raw FAISS on the same vectors, and against one pass over the bytes it scans.

``OMP_NUM_THREADS=1 python -m benchmarks.search [20k-4096] [100k-256] [100k-1280]``
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import DESCRIPTION, rows, write_collection
from benchmarks.timing import interleave, run_parts, table
from i2v_search import Collection
from i2v_search.index import VectorIndex

BATCH, TOP, ROUNDS = 64, 10, 15


def part(count: int, dimension: int, command: str) -> str:
    """All measurements on one synthetic collection."""
    queries = np.vstack(list(rows(BATCH, dimension, seed=2)))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "collection"
        write_collection(directory, count, dimension)
        collection = Collection.open(directory)
        lines: list[list[str]] = []
        kinds: tuple[Literal["exact", "pca"], ...] = ("exact", "pca") if dimension > 256 else ("exact",)
        explained = ""
        for kind in kinds:
            collection.index(kind=kind, graph=False)
            index = collection._vector_index
            embedded = index.similarity.embed(queries)
            peer = _Peer(index)
            explained += peer.explained
            lines += [[kind, *line, command] for line in _measure(collection, index, peer, queries, embedded)]
    header = [
        "kind",
        "what",
        "time a query",
        "over raw FAISS",
        "over one read of the bytes",
        "recall@10",
        "command",
    ]
    return f"{count:,} rows of {dimension} dimensions. {DESCRIPTION}{explained}\n\n" + table(header, lines)


class _Peer:
    """The index's own FAISS object, called directly; for pca with the projection and the re-rank in NumPy.

    Not a copy of it: two copies of the same vectors differ by up to 20 % with where they lie in memory.
    """

    def __init__(self, index: VectorIndex) -> None:
        self.full, self.candidates, self.pca = index.rows_of(np.arange(len(index.store))), 0, index._pca
        self.index, self.explained = index._scanned, ""
        self.scanned = faiss.rev_swig_ptr(self.index.get_xb(), self.index.ntotal * self.index.d)
        if self.pca is not None:
            share, self.candidates = float(self.pca.explained_variance_ratio.sum()), index.candidates
            self.explained = (
                f" 256 components explain {share:.0%}; {self.candidates} candidates are re-ranked."
            )

    def search(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """(m, TOP) row numbers."""
        if self.pca is None:
            found: NDArray[np.int64] = self.index.search(queries, TOP)[1]
            return found
        proposed = self.index.search((queries - self.pca.mean) @ self.pca.components.T, self.candidates)[1]
        best = [
            line[np.argsort(-(self.full[line] @ query))[:TOP]]
            for query, line in zip(queries, proposed, strict=True)
        ]
        return np.stack(best)

    def read(self) -> float:
        """One pass over the scanned bytes: a dot product, which reads and keeps nothing."""
        return float(self.scanned @ self.scanned)


def _measure(
    collection: Collection,
    index: VectorIndex,
    peer: _Peer,
    queries: NDArray[np.float32],
    embedded: NDArray[np.float32],
) -> list[list[str]]:
    truth = np.argsort(-(embedded @ peer.full.T), axis=1)[:, :TOP]
    turn = iter(range(10**9))

    def one_of(search: Callable[[NDArray[np.float32]], object], of: NDArray[np.float32]) -> None:
        number = next(turn) % BATCH
        search(of[number : number + 1])

    wrapper = "Collection.search, one vector"
    collection.search(queries[0], top=TOP)
    ours = partial(index.search, k=TOP)
    single = interleave(
        {
            wrapper: partial(one_of, lambda one: collection.search(one[0], top=TOP), queries),
            "VectorIndex.search, one": partial(one_of, ours, embedded),
            "raw": partial(one_of, peer.search, embedded),
            "read": peer.read,
        },
        ROUNDS,
        least=0.15,
    )
    batch = interleave(
        {"VectorIndex.search, batch of 64": partial(ours, embedded), "raw": partial(peer.search, embedded)},
        ROUNDS,
        least=0.15,
    )
    scanned = peer.scanned.nbytes
    recall = f"{_recall(index.search(embedded, TOP)[1], truth):.3f}"
    theirs = f"{_recall(peer.search(embedded), truth):.3f}"
    raw = "raw FAISS" if peer.pca is None else "raw FAISS + NumPy re-rank"
    speed = single.rate("read", scanned / 1e9).show()
    lines = [
        [
            name,
            single.spread(name).duration,
            single.ratio(name, "raw").show(),
            single.ratio(name, "read").show(),
        ]
        for name in (wrapper, "VectorIndex.search, one", "raw")
    ]
    for name in batch.seconds:
        spread = batch.rate(name, 1)
        per_query = f"{batch.spread(name).show(1e3 / BATCH)} ms ({spread.show(BATCH)} queries/s)"
        lines.append([name, per_query, batch.ratio(name, "raw").show(), ""])
    for line in lines:
        line.append(theirs if line[0] == "raw" else recall)
    lines[2][0], lines[4][0] = f"{raw}, one", f"{raw}, batch of 64"
    read = f"one read of the scanned {scanned / 1e6:.0f} MB at {speed} GB/s"
    return [*lines, [read, single.spread("read").duration, single.ratio("read", "raw").show(), "1", ""]]


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / TOP for a, b in zip(found, truth, strict=True)]))


if __name__ == "__main__":
    run_parts(
        "search",
        ["faiss-cpu", "numpy"],
        {
            "20k-4096": partial(part, 20_000, 4096),
            "100k-256": partial(part, 100_000, 256),
            "100k-1280": partial(part, 100_000, 1280),
        },
    )
