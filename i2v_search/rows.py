"""The live rows of an index as `i2v_search.morph` wants them: unit rows, read when needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from i2v_search.index import VectorIndex
from i2v_search.similarity import unit


class UnitRows:
    """Satisfies `i2v_search.morph.Rows` over the rows of an index in its search space.

    Args:
        index: the index.
    """

    def __init__(self, index: VectorIndex) -> None:
        self._index = index

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._index.store)

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m,) int64 -> (m, d) float32 unit rows."""
        return self.unit(self._index.rows_of(numbers))

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All rows in order, as (number of the first, (at most size, d) float32)."""
        for start in range(0, len(self), size):
            yield start, self.take(np.arange(start, min(start + size, len(self))))

    @staticmethod
    def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows; a row of length zero, which is like nothing, becomes the first axis."""
        scaled = unit(rows)
        scaled[~np.any(scaled, axis=1), 0] = 1
        return scaled
