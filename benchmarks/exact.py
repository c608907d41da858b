"""The right answers: exact neighbours of held-back queries, by plain NumPy over the stored rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import KEPT, VERSION, rows
from i2v_search.store.feature_store import FeatureStore

#: Queries that have right answers; those behind them are for timing.
JUDGED, TIMED, TOP = 200, 500, 10
_BLOCK = 2048


def held_back(dimension: int, count: int = TIMED, seed: int = 2) -> NDArray[np.float32]:
    """Vectors of the distribution of the stored ones that are not among them, (count, dimension) float32."""
    return np.vstack(list(rows(count, dimension, seed)))


def truth(directory: Path) -> NDArray[np.int64]:
    """Ids of the ten nearest of each of the first `JUDGED` queries, centred cosine, best first.

    Kept where ``I2V_BENCH_DATA`` says: at a million rows it takes a minute.
    """
    store = FeatureStore(directory)
    data, name = os.environ.get("I2V_BENCH_DATA"), KEPT.get(store.rows)
    kept = Path(data) / f"{name}-truth-{VERSION.replace(' ', '-')}.npy" if data and name else None
    if kept is not None and kept.exists():
        return np.asarray(np.load(kept), np.int64)
    found = _search(store)
    if kept is not None:
        np.save(kept, found)
    return found


def recall(found: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Share of the right ids (q, 10) that were found, (q, 10), in any order."""
    return float(np.mean([len(np.intersect1d(a, b)) / TOP for a, b in zip(found, right, strict=True)]))


def _search(store: FeatureStore) -> NDArray[np.int64]:
    blocks = [store.live[start : start + _BLOCK] for start in range(0, len(store), _BLOCK)]
    mean = np.zeros(store.dimension)
    for block in blocks:
        mean += unit(store.take(block)).sum(axis=0, dtype=np.float64) / len(store)
    centre = mean.astype(np.float32)
    queries = unit(unit(held_back(store.dimension, JUDGED)) - centre)
    scores, best = np.full((JUDGED, TOP), -np.inf, np.float32), np.zeros((JUDGED, TOP), np.int64)
    for block in blocks:
        found = queries @ unit(unit(store.take(block)) - centre).T
        scores = np.hstack([scores, found])
        best = np.hstack([best, np.broadcast_to(block, found.shape)])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        scores, best = np.take_along_axis(scores, order, 1), np.take_along_axis(best, order, 1)
    return store.ids[best]


def unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit length; a function of its own, so that it does not share the product's mistakes."""
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values))
    return np.asarray(values / np.maximum(lengths, 1e-12)[:, None], np.float32)
