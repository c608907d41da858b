"""The index of one of several collections that are searched as one, whose rows are compared alike."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.protocol import Conditions, SearchIndex
from i2v_search.index.similarity import Similarity
from i2v_search.index.stored_scores import StoredScores
from i2v_search.store.feature_store import FeatureStore

#: Rows that the collection's own index proposes, before they are compared as all are.
PROPOSED: Final = 1000


class PooledIndex:
    """A `SearchIndex` in the space of a similarity that was pooled.

    Each collection is compared by a mean and deviations of its own, so that scores of two collections say
    different things. Here the index of one proposes rows, and the pooled similarity compares them in full.

    Args:
        index: of the collection.
        similarity: `Similarity.pooled` of all collections.
    """

    def __init__(self, index: SearchIndex, similarity: Similarity) -> None:
        self._index, self.similarity = index, similarity

    @property
    def store(self) -> FeatureStore:
        """The feature store."""
        return self._index.store

    @cached_property
    def stored(self) -> StoredScores:
        """Scores with rows of the store."""
        return StoredScores(self.similarity, self.store)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Those of the collection's index."""
        return self._index.positions

    @property
    def unindexed(self) -> NDArray[np.int64]:
        """Those of the collection's index."""
        return self._index.unindexed

    @property
    def approximate(self) -> bool:
        """Whether some rows are not compared at all."""
        return self._index.approximate or len(self.store) > PROPOSED

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        *,
        where: Conditions | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest of the rows that the collection's index proposes; see `SearchIndex.search`."""
        own = self._index.similarity
        if own.euclidean or own.name == "cosine":
            asked = queries
        else:  # the same products with rows, but for the means
            asked = own.embed_directions(
                queries if self.similarity.scale is None else queries * self.similarity.scale
            )
        _, proposed = self._index.search(asked, max(k, PROPOSED), allowed, where=where)
        scores = np.empty(proposed.shape, np.float32)
        for line, rows in enumerate(proposed):
            self.store.check(rows)
            found = self.stored.of(queries[line], rows)
            order = np.lexsort((rows, -found))
            scores[line], proposed[line] = found[order], rows[order]
        return scores[:, :k], proposed[:, :k]
