"""Recall@10 of every kind of index against exact search in full dimension.

The indexes are built and searched by the project's own code (`i2v_search.index`) on a temporary feature
store. Truth is a scan of the same store with `Similarity.scores`. Queries are pictures of the set; a picture
is not counted among its own neighbours, which would make a tenth of the work trivial.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.evaluation.intervals import Estimate, estimate_mean
from i2v_search.index import VectorIndex
from i2v_search.manifest import EncoderRecord, Manifest
from i2v_search.parts import ImageRecord
from i2v_search.planner import PCA_DIMENSIONS, plan_index
from i2v_search.progress import Progress, Report, silent
from i2v_search.similarity import position_blocks
from i2v_search.store import FeatureStore, StoreWriter, unit_float16

QUERIES = 500
#: How many candidates are re-ranked in full dimension.
RERANKED = (20, 50, 100)
#: Scores that differ by less are the same up to the order of a float32 sum.
TOLERANCE = 1e-6
_APPEND_ROWS = 1024

Search: TypeAlias = Callable[[NDArray[np.int64], int], NDArray[np.int64]]


@dataclass(frozen=True)
class IndexRecall:
    """What one kind of index finds.

    Attributes:
        index: what it is, ``"pca 256"`` for instance.
        candidates: rows re-ranked in full dimension for ten results; 0 for none.
        recall: the share of the ten nearest others that it finds, an interval over queries.
        bytes_per_row: read of each row by a query.
        per_query: (q,) float64.
    """

    index: str
    candidates: int
    recall: Estimate
    bytes_per_row: int
    per_query: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the values of single queries."""
        return {
            "index": self.index,
            "candidates": self.candidates,
            "recall_at_10": self.recall.to_dict(),
            "bytes_per_row": self.bytes_per_row,
        }


def index_recall(
    vectors: NDArray[np.float32],
    *,
    similarity: SimilarityName = "centred",
    k: int = 10,
    queries: int = QUERIES,
    pca_dimensions: int = PCA_DIMENSIONS,
    seed: int = 0,
    report: Report = silent,
) -> tuple[IndexRecall, ...]:
    """Build every kind of index over some vectors and compare what each finds with exact search.

    Exact; principal components alone, with each number of `RERANKED` candidates, and with as many as the
    index itself chooses for a recall of .99; sign codes alone and with as many candidates. A set with no more
    pictures or dimensions than `pca_dimensions` has no index of principal components.

    Args:
        vectors: (n, d) float32 of any length, n > k.
        similarity: how vectors are compared in full; ``"hamming"`` means ``"centred"`` here, which its codes
            stand for.
        k: neighbours.
        queries: at most this many rows are queries.
        pca_dimensions: principal components to scan.
        seed: chooses the queries.
        report: told about progress.

    Raises:
        ValueError: there are no more than k vectors.

    Example:
        >>> vectors = np.random.default_rng(0).normal(size=(60, 32)).astype(np.float32)
        >>> found = index_recall(vectors, pca_dimensions=8)
        >>> found[0].index, found[0].recall.value
        ('exact', 1.0)
    """
    if len(vectors) <= k:
        raise ValueError(f"recall at {k} needs more than {k} vectors, not {len(vectors)}")
    similarity = "centred" if similarity == "hamming" else similarity
    generator = np.random.default_rng(seed)
    asked = np.sort(generator.choice(len(vectors), min(queries, len(vectors)), replace=False))
    found = []
    with tempfile.TemporaryDirectory(prefix="i2v-search-recall-") as directory:
        store = _make_store(Path(directory), vectors, similarity)
        plan = plan_index(len(store), store.dimension, similarity, kind="exact")
        full = VectorIndex.build(store, similarity, plan)
        judge = _Judge(full, asked, k)
        for contender in _contenders(full, pca_dimensions):
            per_query = judge.recall(contender.search)
            estimate = estimate_mean(per_query, seed=seed)
            found.append(
                IndexRecall(contender.name, contender.candidates, estimate, contender.width, per_query)
            )
            report(Progress("measuring recall", len(found), None))
    return tuple(found)


@dataclass(frozen=True)
class _Contender:
    """An index to judge; `search` takes live row numbers and how many rows to find, best first."""

    name: str
    candidates: int
    width: int
    search: Search


def _contenders(full: VectorIndex, pca_dimensions: int) -> Iterator[_Contender]:
    """Every kind of index; each is used up before the next is built."""
    store, similarity = full.store, full.similarity.name
    yield _Contender("exact", 0, 4 * store.dimension, _searcher(full))
    plan = plan_index(len(store), store.dimension, similarity, kind="pca", pca_dimensions=pca_dimensions)
    if plan.kind == "pca":
        # A target of 0 leaves the candidates as planned.
        reduced = VectorIndex.build(store, similarity, plan, recall_target=0)
        for candidates in (0, *RERANKED):
            reduced.candidates = candidates
            yield _Contender(f"pca {plan.dimensions}", candidates, 4 * plan.dimensions, _searcher(reduced))
        built = VectorIndex.build(store, similarity, plan)
        name = f"pca {plan.dimensions} as built"
        yield _Contender(name, built.candidates, 4 * plan.dimensions, _searcher(built))
    codes = VectorIndex.build(store, "hamming", plan_index(len(store), store.dimension, "hamming"))
    for candidates in (0, *RERANKED):
        name, width = f"{store.dimension}-bit codes", -(-store.dimension // 8)
        yield _Contender(name, candidates, width, _reranker(codes, full, candidates))


def _searcher(index: VectorIndex) -> Search:
    return lambda numbers, k: index.search(index.rows_of(numbers), k)[1]


def _reranker(codes: VectorIndex, full: VectorIndex, candidates: int) -> Search:
    """Search by codes, then compare the candidates in full; as many for each result as for ten."""

    def search(numbers: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        wanted = max(k, -(-candidates * k // 10))
        found = codes.search(codes.rows_of(numbers), wanted)[1]
        if not candidates:
            return found
        queries = full.rows_of(numbers)
        best = np.empty((len(numbers), min(k, found.shape[1])), np.int64)
        for number, line in enumerate(found):
            scores = full.similarity.scores(queries[number : number + 1], full.rows_of(line))[0]
            best[number] = line[np.argsort(-scores, kind="stable")[:k]]
        return best

    return search


class _Judge:
    """Knows the true neighbours of the queries."""

    def __init__(self, full: VectorIndex, asked: NDArray[np.int64], k: int) -> None:
        self.full, self.asked, self.k = full, asked, k
        self.queries = full.rows_of(asked)
        best = np.full((len(asked), k), -np.inf, np.float32)
        first = 0
        for block in position_blocks(full.store):
            rows = full.similarity.embed_rows(full.store, block)
            scores = full.similarity.scores(self.queries, rows)
            own = np.flatnonzero((asked >= first) & (asked < first + len(block)))
            scores[own, asked[own] - first] = -np.inf
            best = -np.sort(-np.hstack([best, scores]), axis=1)[:, :k]
            first += len(block)
        self.last = best[:, -1]

    def recall(self, search: Search) -> NDArray[np.float64]:
        """(q,) share of the true neighbours found; of equally near ones any will do."""
        found = search(self.asked, self.k + 1)
        shares = np.empty(len(found))
        for number, line in enumerate(found):
            others = line[line != self.asked[number]][: self.k]
            scores = self.full.similarity.scores(self.queries[number : number + 1], self.full.rows_of(others))
            shares[number] = np.count_nonzero(scores[0] >= self.last[number] - TOLERANCE) / self.k
        return shares


def _make_store(directory: Path, vectors: NDArray[np.float32], similarity: SimilarityName) -> FeatureStore:
    """Write vectors as a feature store; row i is the i-th live row."""
    record = EncoderRecord(
        id="evaluated", weights_sha256="0" * 64, preprocessing="any", dimension=vectors.shape[1]
    )
    manifest = Manifest(encoder=record, similarity=similarity, image_root=str(directory))
    manifest.save(directory)
    writer = StoreWriter(directory, manifest)
    for start in range(0, len(vectors), _APPEND_ROWS):
        block = vectors[start : start + _APPEND_ROWS]
        images = [
            ImageRecord(
                path=str(start + row), sha256=f"{start + row:064x}", size=1, mtime_ns=0, width=1, height=1
            )
            for row in range(len(block))
        ]
        writer.append(images, *unit_float16(block), [None] * len(block))
    writer.finish()
    return FeatureStore(directory)
