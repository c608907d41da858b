"""The rows of an index, and those beside it, as `i2v_search.morph` wants them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.all_neighbours import joinable, neighbours_of_all
from i2v_search.index.protocol import SearchIndex
from i2v_search.index.similarity import unit
from i2v_search.morph.graph.rows import Search
from i2v_search.progress import Report


class UnitRows:
    """Satisfies `i2v_search.morph.graph.rows.Rows` over all live rows of a collection, in its search space.

    The rows of the index come first, in its order, then its unindexed rows: `VectorIndex.extended` keeps
    every number. Rows that were removed since the index was built are still counted, and masked by `alive`.

    Args:
        index: the index.
    """

    def __init__(self, index: SearchIndex) -> None:
        self._index = index
        #: Of the collection.
        self.directory = index.store.directory
        #: Rows of the index.
        self.indexed = len(index.positions)
        #: (n,) int64: each row's position in the store; -1 where it is gone.
        self.positions = np.concatenate([index.positions, index.unindexed])
        store = index.store
        #: (n,) bool: rows that are live.
        self.alive: NDArray[np.bool_] = store.is_live(self.positions)
        self._numbers = np.full(store.rows + 1, -1, np.int64)  # position -1 meets the additional last entry
        kept = np.flatnonzero(self.positions >= 0)
        self._numbers[self.positions[kept]] = kept

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.positions)

    def number_of(self, position: int) -> int | None:
        """Row with a position of the store; None if no row has it."""
        number = int(self._numbers[position])
        return None if number < 0 else number

    def numbers_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) int64 positions of the store -> (m,) int64 row numbers; -1 where no row has that position."""
        return self._numbers[np.where((positions >= 0) & (positions < len(self._numbers)), positions, -1)]

    def usable(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """(n,) bool: live rows that a mask over the positions of the store allows; None for all rows."""
        if allowed is not None:
            return np.asarray(allowed[self.positions] & self.alive)
        return None if self.alive.all() else self.alive

    @property
    def approximate(self) -> bool:
        """Whether the index finds neighbours faster than an exact scan, and compares by inner product."""
        return self._index.approximate and not self._index.similarity.euclidean

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m,) int64 -> (m, d) float32 unit rows; a row that is gone from the store is like nothing."""
        index, positions = self._index, self.positions[numbers]
        rows = index.similarity.embed_rows(index.store, np.maximum(positions, 0))
        rows[positions < 0] = 0
        return self.unit(rows)

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All rows in order, as (number of the first, (at most size, d) float32)."""
        for start in range(0, len(self), size):
            yield start, self.take(np.arange(start, min(start + size, len(self))))

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Satisfies `i2v_search.morph.graph.rows.Search` where the index compares by inner product, not for
        l2.
        """
        scores, positions = self._index.search(queries, k)
        return np.asarray(2 - 2 * scores, np.float32), self._numbers[positions]

    @property
    def joinable(self) -> bool:
        """Whether `neighbours_of_all` works."""
        return joinable(self._index)

    def neighbours_of_all(self, k: int, report: Report) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The k nearest others of every row of the index: squared chords and numbers, inf and -1 for none."""
        if not joinable(self._index):
            raise ValueError("this index does not store the components of its rows")
        scores, neighbours = neighbours_of_all(self._index, k, report)
        return 2 - 2 * scores, neighbours

    def search_among(self, allowed: NDArray[np.bool_] | None) -> Search:
        """A search that answers only with rows that a mask over the positions of the store allows."""
        if allowed is None:
            return self.search

        def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            scores, positions = self._index.search(queries, k, allowed)
            return np.asarray(2 - 2 * scores, np.float32), self._numbers[positions]

        return search

    def check(self, numbers: NDArray[np.int64]) -> None:
        """Compare rows with their checksums.

        Raises:
            CollectionDamagedError: one differs.
        """
        self._index.store.check(self.positions[numbers])

    @staticmethod
    def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows; a row of length zero, which is like nothing, becomes the first axis."""
        scaled = unit(rows)
        scaled[~np.any(scaled, axis=1), 0] = 1
        return scaled
