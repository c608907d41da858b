"""Recall of an index against exact search, and the search parameters that follow from it.

Queries are live rows that nothing was learned from; a row is not counted among its own neighbours. Half of
them choose the parameters, the other half say what was reached.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.protocol import SearchIndex
from i2v_search.index.scanners import Settings
from i2v_search.index.similarity import Similarity, position_blocks
from i2v_search.index.vector_index import Measured, VectorIndex
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore

#: Rows that are requested, half of them to choose by.
QUERIES: Final = 400
MAX_CANDIDATES: Final = 4096
#: Scores that differ by less are the same up to rounding: of several copies of a picture any will do.
TOLERANCE: Final = 1e-5
_K: Final = 10
#: Single searches that are timed, and for how long at most: each small `add` builds its index again.
_TIMED: Final = 200
_TIMED_SECONDS: Final = 0.2
#: An effort that is doubled and finds no more than this has found all it will.
_PLATEAU: Final = 1e-3


def choose_queries(store: FeatureStore, size: int = QUERIES, seed: int = 0) -> NDArray[np.int64]:
    """Positions of at most `size` live rows, ascending."""
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(store.live, min(size, len(store)), replace=False))


class Judge:
    """Knows the true neighbours of some rows.

    Args:
        store: the feature store.
        similarity: fitted to it.
        asked: positions of the queries, ascending.
        k: how many neighbours count.
        report: called with the progress.
    """

    def __init__(
        self,
        store: FeatureStore,
        similarity: Similarity,
        asked: NDArray[np.int64],
        *,
        k: int = _K,
        report: Report = silent,
    ) -> None:
        self.asked, self.k = asked, k
        self.queries = similarity.embed_rows(store, asked)
        best = np.full((len(asked), k), -np.inf, np.float32)
        done = 0
        for block in position_blocks(store):
            scores = similarity.scores(self.queries, similarity.embed_rows(store, block))
            scores[_own(asked, block)] = -np.inf
            best = -np.partition(-np.hstack([best, scores]), k - 1, axis=1)[:, :k]
            done += len(block)
            report(Progress("searching exactly", done, len(store)))
        #: (q,) score of each query's k-th neighbour.
        self.last = best.min(axis=1, initial=np.inf)

    def recall(self, index: SearchIndex, chosen: slice = slice(None)) -> NDArray[np.float64]:
        """(q,) share of the true neighbours that an index finds for the chosen queries.

        Of several rows that are equally near any will do.
        """
        scores, found = index.search(self.queries[chosen], self.k + 1)
        near = (found != self.asked[chosen, None]) & (scores >= self.last[chosen, None] - TOLERANCE)
        # Without itself among them, the last of k + 1 is one too many.
        return np.asarray(np.minimum(near.sum(axis=1), self.k) / self.k)


def tune(index: VectorIndex, asked: NDArray[np.int64], target: float, report: Report = silent) -> VectorIndex:
    """Choose the fastest search parameters that reach a recall, and measure what they do.

    Args:
        index: just built.
        asked: from `choose_queries`.
        target: recall@10; where nothing reaches it, the best that was tried is kept.
        report: called with the progress.

    Returns:
        The index with its parameters and measurements.
    """
    if not index.approximate or len(index.store) <= _K:
        queries = index.similarity.embed_rows(index.store, asked)
        return replace(index, measured=_measured(index, 1.0, queries))
    judge = Judge(index.store, index.similarity, asked, report=report)
    choosing, judging = slice(0, None, 2), slice(1, None, 2)
    # On a small sample a recall just above the target may be luck: aim a little higher.
    aim = target + (1 - target) / 4
    tried: list[tuple[float, float, VectorIndex]] = []
    for settings in _ladder(index, tried, aim):
        candidate = replace(index, settings=settings)
        started = time.perf_counter()
        recall = float(judge.recall(candidate, choosing).mean())
        tried.append((recall, time.perf_counter() - started, candidate))
        report(Progress("tuning", len(tried), None, f"recall@10 {recall:.3f}"))
    reached = sorted((seconds, number) for number, (recall, seconds, _) in enumerate(tried) if recall >= aim)
    best = max(range(len(tried)), key=lambda number: tried[number][0])
    for number in dict.fromkeys([*(number for _, number in reached), best]):
        candidate = tried[number][2]
        recall = float(judge.recall(candidate, judging).mean())
        if recall >= target:
            break
    measured = _measured(candidate, recall, judge.queries)
    index.store.release()
    return replace(candidate, measured=measured)


def _ladder(
    index: VectorIndex, tried: list[tuple[float, float, VectorIndex]], aim: float
) -> Iterator[Settings]:
    """Settings worth trying, cheap ones first, seeing what came of those before."""
    rows, kind = len(index.scanner), index.plan.kind
    limit = min(MAX_CANDIDATES, rows)
    candidates = min(index.settings.candidates, limit)
    while True:
        found = len(tried)
        for shortlist in [5, 10, 20, 50] if index.plan.refined else [0]:
            before = 0.0
            for effort in _efforts(kind, index.plan.lists):
                yield Settings(candidates, effort, shortlist * candidates)
                now = tried[-1][0]
                if now >= aim or (now - before < _PLATEAU and effort >= 32):
                    break
                before = now
        if candidates >= limit or max(recall for recall, _, _ in tried[found:]) >= aim:
            return
        candidates = min(2 * candidates, limit)


def _efforts(kind: str, lists: int) -> list[int]:
    """Doubling: lists to look into, or nodes to keep in mind."""
    if kind == "ivf":
        return [2**power for power in range(2, 17) if 2**power < lists] + [lists]
    return [2**power for power in range(5, 12)] if kind == "hnsw" else [0]


def _measured(index: VectorIndex, recall: float, queries: NDArray[np.float32]) -> Measured:
    seconds = []
    for number in range(_TIMED if len(queries) else 0):
        started = time.perf_counter()
        index.search(queries[number % len(queries)][None], _K)
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > _TIMED_SECONDS and number >= 10:
            break
    times = np.array(seconds or [0.0]) * 1e3
    return Measured(
        round(recall, 4), round(float(np.median(times)), 3), round(float(np.quantile(times, 0.99)), 3)
    )


def _own(asked: NDArray[np.int64], block: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Queries that are rows of a block, and their places in it."""
    place = np.minimum(np.searchsorted(block, asked), len(block) - 1)
    own = np.flatnonzero(block[place] == asked)
    return own, place[own]
