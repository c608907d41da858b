"""Rows of a collection for a morph: numbered unit rows, read by number or in blocks."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError

DUPLICATE = 1e-6
"""Squared chord distance below which two rows are the same picture: float32 noise is some 5e-7."""

NEAR_DUPLICATE = 0.1
"""Squared chord distance below which two rows show nearly the same picture: a cosine above 0.95."""

SMALLEST = 1e-12
"""Squared distance of identical rows in a sparse matrix: SciPy reads a stored 0 as "no edge"."""

_UNIT_TOLERANCE = 1e-3


class Rows(Protocol):
    """n feature vectors of d dimensions, in memory or on disk.

    Every row must have length 1 in float32: distances are chords, squared chord = 2 - 2 <x, y>, in [0, 4].
    Rows kept as float16 must be normalised again after conversion.
    """

    def __len__(self) -> int:
        """Return n, the number of rows."""

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows `numbers` ((m,) int64, any order) as (m, d) float32."""

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield every row once, in order, as (number of the first row, (at most size, d) float32)."""


class Search(Protocol):
    """A k-nearest-neighbour search over the same rows, for instance a FAISS index behind a function."""

    def __call__(
        self, queries: NDArray[np.float32], k: int, /
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return for (q, d) queries (q, k) squared chords, ascending, and (q, k) row numbers (-1 = none)."""


class ArrayRows:
    """`Rows` of a matrix in memory.

    Args:
        matrix: (n, d) float32, unit rows.

    Raises:
        MorphError: the matrix is not two-dimensional, or its rows are not of length 1.

    Example:
        >>> import numpy as np
        >>> rows = ArrayRows(np.eye(3, dtype=np.float32))
        >>> len(rows), rows.take(np.array([2])).tolist()
        (3, [[0.0, 0.0, 1.0]])
    """

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        if matrix.ndim != 2:
            raise MorphError(f"rows must be an (n, d) matrix, got shape {matrix.shape}")
        self._matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", self._matrix, self._matrix))
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT_TOLERANCE))
        if len(wrong):
            raise MorphError(
                f"row {wrong[0]} has length {lengths[wrong[0]]:.4g} instead of 1; normalise the rows first"
            )

    def __len__(self) -> int:
        return len(self._matrix)

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows `numbers` ((m,) int64) as (m, d) float32."""
        return self._matrix[numbers]

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (start, block) over all rows; blocks are views of at most `size` rows."""
        for start in range(0, len(self._matrix), size):
            yield start, self._matrix[start : start + size]


def unit_vector(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `vector` as (d,) float32 after checking that it has one dimension and length 1 (MorphError)."""
    checked = np.ascontiguousarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(checked))
    if checked.ndim != 1 or not abs(length - 1) <= _UNIT_TOLERANCE:
        raise MorphError(
            f"an end outside the collection must be a (d,) vector of length 1, "
            f"got shape {checked.shape} and length {length:.4g}"
        )
    return checked


def squared_chords(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared chords, (a, b) float32 in [0, 4], of unit rows (a, d) and (b, d), by one matrix product.

    Example:
        >>> import numpy as np
        >>> squared_chords(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    squared: NDArray[np.float32] = left @ right.T
    squared *= -2
    squared += 2
    return np.maximum(squared, 0, out=squared)
