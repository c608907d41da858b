"""Exact comparison, shared by all backends: of few rows, unindexed rows, and proposed rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.similarity import Similarity, position_blocks
from i2v_search.store.feature_store import FeatureStore


def unindexed_rows(store: FeatureStore, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """(t,) int64: positions of the live rows that are not among some positions, ascending; -1 is skipped."""
    held = np.zeros(store.rows, bool)
    held[positions[positions >= 0]] = True
    return store.live[~held[store.live]]


def candidates_for(k: int, candidates: int) -> int:
    """Number of rows to re-rank for k results: per result as many as for the measured recall@10."""
    return max(k, -(-candidates * k // 10), candidates)


def checked_blocks(
    store: FeatureStore, similarity: Similarity, positions: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Positions and their rows in the search space, in blocks, compared with their checksums.

    Raises:
        CollectionDamagedError: a row differs from its checksum.
    """
    for block in position_blocks(store, positions):
        store.check(block)
        yield block, similarity.embed_rows(store, block)


def best_of_blocks(
    queries: NDArray[np.float32],
    k: int,
    blocks: Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]],
    similarity: Similarity,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Exact search over blocks of positions (n,) and their rows (n, d) in the search space."""
    scores = np.empty((len(queries), 0), np.float32)
    positions = np.empty((len(queries), 0), np.int64)
    for block, rows in blocks:
        found = similarity.scores(queries, rows)
        scores = np.hstack([scores, found])
        positions = np.hstack([positions, np.broadcast_to(block, found.shape)])
        scores, positions = best(scores, positions, k)
    return scores, positions


def best(
    scores: NDArray[np.float32], positions: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k highest scores of each line (m, n), descending, ties by position."""
    if scores.shape[1] > 4 * k:
        # Whatever is below the k-th score is out; those that equal it stay in, for the ties.
        least = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        width = int((scores >= least).sum(axis=1).max())
        chosen = np.argpartition(scores < least, width - 1, axis=1)[:, :width]
        scores, positions = np.take_along_axis(scores, chosen, 1), np.take_along_axis(positions, chosen, 1)
    order = np.lexsort((positions, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(positions, order, 1)
