"""The nearest rows of every row of an index: alike rows are taken together and share what is read for them.

Memory: 2 D bytes of components a row, 8 k for the result, and some 300 MB for the rows that are compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeGuard

import faiss
import numpy as np
from numpy.typing import NDArray

from i2v_search.index.projection import Components
from i2v_search.index.protocol import SearchIndex
from i2v_search.index.scanners import HnswScanner, IvfScanner
from i2v_search.index.similarity import position_blocks
from i2v_search.index.vector_index import VectorIndex
from i2v_search.progress import Progress, Report, silent

#: Rows that are compared together, and rows that others are proposed for at a time.
_CELL_ROWS: Final = 256
_PROPOSED_ROWS: Final = 2048
#: Rows compared in full for each result, and the share of a search's effort that proposes them: where every
#: row is requested, most of what one search misses is found from the other side.
_CANDIDATES: Final = 4
_EFFORT: Final = 0.5
#: Steps of the clustering, and the rows for each cell that it learns from.
_STEPS: Final = 4
_LEARNED: Final = 32
#: Rows whose components are compared at a time.
_BLOCK: Final = 2**16

# The stubs of faiss describe its C++ functions, not the Python ones that take arrays.
_faiss: Any = faiss


def joinable(index: SearchIndex) -> TypeGuard[VectorIndex]:
    """Whether `neighbours_of_all` serves an index: it keeps components and compares by inner product."""
    components = isinstance(index, VectorIndex) and isinstance(index.form, Components)
    return components and not index.similarity.euclidean


def neighbours_of_all(
    index: VectorIndex, k: int, report: Report = silent
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The k nearest other rows of every row of the index that is live; approximate.

    Args:
        index: a `joinable` one.
        k: how many.
        report: called with the progress.

    Returns:
        Scores (n, k) float32, descending, and numbers of the index's rows (n, k) int32; -inf and -1 where
        there are fewer. A row that is not live has, and is, no neighbour.
    """
    alive = index.store.is_live(index.positions)
    numbers = np.flatnonzero(alive)
    scores = np.full((len(alive), k), -np.inf, np.float32)
    neighbours = np.full((len(alive), k), -1, np.int32)
    reduced = _components(index, numbers, report)
    order = _alike(reduced)
    wanted = min(_CANDIDATES * k + 1, len(numbers))
    for start in range(0, len(order), _PROPOSED_ROWS):
        chosen = order[start : start + _PROPOSED_ROWS]
        proposed = _proposed(index, reduced, numbers, chosen, wanted)
        for first in range(0, len(chosen), _CELL_ROWS):
            own, ids = numbers[chosen[first : first + _CELL_ROWS]], proposed[first : first + _CELL_ROWS]
            compared = _compared(index, own, ids)
            compared[ids == own[:, None]] = -np.inf
            best = np.lexsort((ids, -compared), axis=1)[:, :k]
            scores[own, : best.shape[1]] = np.take_along_axis(compared, best, 1)
            neighbours[own, : best.shape[1]] = np.take_along_axis(ids, best, 1)
        report(Progress("connecting", start + len(chosen), len(numbers)))
    neighbours[np.isinf(scores)] = -1
    return scores, neighbours


def _components(index: VectorIndex, numbers: NDArray[np.int64], report: Report) -> NDArray[np.float16]:
    """(m, D) the components of rows of the index."""
    reduced = np.empty((len(numbers), index.plan.dimensions), np.float16)
    done = 0
    for block in position_blocks(index.store, index.positions[numbers]):
        reduced[done : done + len(block)] = index.form.apply(index.similarity.embed_rows(index.store, block))
        done += len(block)
        report(Progress("gathering components", done, len(numbers)))
    index.store.release()
    return reduced


def _alike(reduced: NDArray[np.float16]) -> NDArray[np.int64]:
    """(m,) an order in which alike rows follow one another: by cell of a k-means clustering."""
    count = -(-len(reduced) // _CELL_ROWS)
    sample = reduced[:: max(1, len(reduced) // (count * _LEARNED))].astype(np.float32)
    # FAISS would complain on the error stream about few points.
    limits = {"min_points_per_centroid": 1, "max_points_per_centroid": 2 * _LEARNED}
    means = _faiss.Kmeans(reduced.shape[1], count, niter=_STEPS, seed=0, **limits)
    means.train(sample)
    cells = [
        _faiss.knn(reduced[first : first + _BLOCK].astype(np.float32), means.centroids, 1)[1][:, 0]
        for first in range(0, len(reduced), _BLOCK)
    ]
    return np.argsort(np.concatenate(cells), kind="stable")


def _proposed(
    index: VectorIndex,
    reduced: NDArray[np.float16],
    numbers: NDArray[np.int64],
    chosen: NDArray[np.int64],
    wanted: int,
) -> NDArray[np.int64]:
    """(q, wanted) rows of the index that may be near the chosen of its live rows."""
    if not isinstance(index.scanner, IvfScanner | HnswScanner):
        return np.asarray(numbers[_scanned(reduced, chosen, wanted)])
    effort = max(1, int(_EFFORT * index.settings.effort))
    settings = replace(index.settings, candidates=wanted, effort=effort, shortlist=5 * wanted)
    alive = None
    if len(numbers) < len(index.positions):
        alive = np.zeros(len(index.positions), bool)
        alive[numbers] = True
    return index.scanner.search(reduced[chosen].astype(np.float32), wanted, alive, settings)[1]


def _scanned(reduced: NDArray[np.float16], chosen: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """(q, wanted) the rows with the most alike components, by comparing with all."""
    queries = reduced[chosen].astype(np.float32)
    scores = np.empty((len(chosen), 0), np.float32)
    ids = np.empty((len(chosen), 0), np.int64)
    for first in range(0, len(reduced), _BLOCK):
        rows = reduced[first : first + _BLOCK].astype(np.float32)
        near, places = _faiss.knn(queries, rows, min(wanted, len(rows)), metric=faiss.METRIC_INNER_PRODUCT)
        scores, ids = np.hstack([scores, near]), np.hstack([ids, first + places])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :wanted]
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    return ids


def _compared(index: VectorIndex, own: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scores of rows (q,) with those proposed for them (q, c), in full."""
    union, places = np.unique(np.concatenate([ids.ravel(), own]), return_inverse=True)
    rows = index.similarity.embed_rows(index.store, index.positions[union])
    proposed, queries = places[: ids.size].reshape(ids.shape), rows[places[ids.size :]]
    scores = [rows[line] @ query for line, query in zip(proposed, queries, strict=True)]
    return np.asarray(np.clip(np.stack(scores), -1, 1))
