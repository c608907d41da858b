"""Scores of one query with rows of the feature store, as they lie there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.similarity import CANCELLED, Similarity
from i2v_search.store.feature_store import FeatureStore

#: Scattered rows compared at a time: they stay in the cache.
_CACHED_ROWS = 64


class StoredScores:
    """The same scores as `Similarity.scores` with `Similarity.embed_rows`, without making the embedded rows.

    With ``u`` a stored row of length ``l``, ``<q, u / l - m> / |u / l - m|`` needs the product of ``u`` with
    q, and two numbers that do not depend on q: ``l``, and the length of the denominator. These are kept,
    8 bytes a row, once a row has been compared. Where there is a scale, it is q and m that are multiplied.

    Args:
        similarity: how rows are compared.
        store: the feature store.

    Example:
        >>> from i2v_search import Collection
        >>> index = Collection.open("index/art")._state.index
        >>> scores = StoredScores(index.similarity, index.store)
        >>> query = index.similarity.embed_rows(index.store, index.store.live[:1])
        >>> bool(scores.of(query[0], index.store.live).argmax() == 0)
        True
    """

    def __init__(self, similarity: Similarity, store: FeatureStore) -> None:
        self.similarity, self.store = similarity, store
        scale = similarity.scale
        self._mean = similarity.mean if scale is None else similarity.mean * scale
        self._mean_squared = float(self._mean @ self._mean)
        self._inverse = np.zeros(store.rows, np.float32)  # of a row's length; 0 where it is not known yet
        self._apart = np.zeros(store.rows, np.float32)  # length of the row less the mean; NaN next to it

    def of(self, query: NDArray[np.float32], positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Compare an embedded query (d,) with rows at (c,) positions: (c,) float32.

        The rows must have been checked (`FeatureStore.check`).
        """
        similarity, store = self.similarity, self.store
        scores = np.empty(len(positions), np.float32)
        own = similarity.name not in {"l2", "hamming"}
        of_mean = float(query @ self._mean)
        scaled = query if similarity.scale is None else query * similarity.scale
        for start in range(0, len(positions), _CACHED_ROWS):
            chosen = positions[start : start + _CACHED_ROWS]
            if own:
                rows = store.take(chosen)
                if len(fresh := np.flatnonzero(self._inverse[chosen] == 0)):
                    self._learn(chosen[fresh], rows[fresh])
                found = ((rows @ scaled) * self._inverse[chosen] - of_mean) / self._apart[chosen]
                near = np.flatnonzero(np.isnan(found))
            else:
                found, near = np.empty(len(chosen), np.float32), np.arange(len(chosen))
            if len(near):
                found[near] = similarity.scores(query[None], similarity.embed_rows(store, chosen[near]))[0]
            scores[start : start + len(chosen)] = found
        return scores if similarity.euclidean else np.clip(scores, -1, 1)

    def _learn(self, positions: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
        """Keep what the scores of rows (c, d) need besides their products with queries."""
        lengths = np.sqrt(np.vecdot(rows, rows))
        inverse = 1 / np.maximum(lengths, np.float32(1e-12))
        squared = np.ones(1, np.float32)
        if self.similarity.scale is not None:
            rows *= self.similarity.scale
            squared = np.maximum(np.vecdot(rows, rows) * inverse**2, np.float32(1e-12))
        apart = squared + self._mean_squared - 2 * (rows @ self._mean) * inverse
        near = (apart < CANCELLED * squared) | (lengths == 0)
        self._apart[positions] = np.where(near, np.nan, np.sqrt(np.maximum(apart, 0)))
        self._inverse[positions] = inverse
