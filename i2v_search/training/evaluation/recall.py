"""Recall@10 of every kind of index against exact search in full dimension.

The indexes are built and searched by the project's own code (`i2v_search.index`) on a temporary feature
store. Truth is a scan of the same store with `Similarity.scores`. Queries are pictures of the set; a picture
is not counted among its own neighbours, which would make a tenth of the work trivial.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.index.measuring import Judge, choose_queries, tune
from i2v_search.index.planner import PCA_DIMENSIONS, RECALL_TARGET, plan_index
from i2v_search.index.scanners import Settings
from i2v_search.index.vector_index import VectorIndex
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.training.evaluation.intervals import Estimate, estimate_mean

QUERIES = 500
#: How many candidates are re-ranked in full dimension.
RERANKED = (20, 50, 100)
_APPEND_ROWS = 1024


@dataclass(frozen=True)
class IndexRecall:
    """Recall of one kind of index.

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
        report: called with the progress.

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
        judge = Judge(store, full.similarity, store.live[asked], k=k)
        for contender in _contenders(full, store.live[asked], pca_dimensions):
            per_query = judge.recall(contender.index)
            estimate = estimate_mean(per_query, seed=seed)
            found.append(
                IndexRecall(contender.name, contender.candidates, estimate, contender.width, per_query)
            )
            report(Progress("measuring recall", len(found), None))
    return tuple(found)


@dataclass(frozen=True)
class _Contender:
    """An index to judge."""

    name: str
    candidates: int
    width: int
    index: VectorIndex


def _contenders(full: VectorIndex, asked: NDArray[np.int64], pca_dimensions: int) -> Iterator[_Contender]:
    """Every kind of index; each is used up before the next is built."""
    store, similarity = full.store, full.similarity.name
    yield _Contender("exact", 0, 4 * store.dimension, full)
    kinds: tuple[IndexKind, ...] = ("pca", "codes")
    for kind in kinds:
        plan = plan_index(len(store), store.dimension, similarity, kind=kind, pca_dimensions=pca_dimensions)
        if plan.kind != kind:
            continue
        built = VectorIndex.build(store, similarity, plan, held_back=asked)
        width = plan.scanned_bytes // len(store)
        name = f"pca {plan.dimensions}" if kind == "pca" else f"{store.dimension}-bit codes"
        for candidates in (0, *RERANKED):
            # Without a re-rank the order of the proposals counts: as many are compared as are requested.
            settings = Settings(candidates or 1)
            yield _Contender(name, candidates, width, replace(built, settings=settings))
        if kind == "pca":
            tuned = tune(built, choose_queries(store), RECALL_TARGET)
            yield _Contender(f"{name} as built", tuned.settings.candidates, width, tuned)


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
