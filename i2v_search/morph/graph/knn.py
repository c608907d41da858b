"""The k nearest rows of every row, exactly or by a search, and the symmetric graph they make.

Memory is that of one pass (see `neighbours`) and the result, 8 k bytes a row. The exact graph costs n^2 d
multiplications; above some 20,000 rows give a `Search`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph import neighbours as near
from i2v_search.morph.graph.rows import SMALLEST, Rows, Search

#: Rows whose edges are ranked at a time.
_RANKED_ROWS = 2**16


@dataclass(frozen=True, eq=False)
class KnnGraph:
    """The k nearest rows of every row.

    Attributes:
        neighbours: (n, k) int32 row numbers, nearest first, ties by row number; -1 where a search found
            fewer.
        squared: (n, k) float32 squared chord distances; inf beside -1.

    Raises:
        MorphError: the two shapes differ, or a row number is outside [-1, n) (a damaged or foreign graph).
    """

    neighbours: NDArray[np.int32]
    squared: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.neighbours.ndim != 2 or self.neighbours.shape != self.squared.shape:
            raise MorphError(
                f"a k-NN graph needs two (n, k) arrays, got {self.neighbours.shape} and {self.squared.shape}"
            )
        if self.neighbours.size and not (
            self.neighbours.min() >= -1 and self.neighbours.max() < len(self.neighbours)
        ):
            raise MorphError(
                f"the k-NN graph refers to rows outside 0..{len(self.neighbours) - 1}; rebuild it"
            )


def build_graph(
    rows: Rows,
    k: int = 15,
    *,
    search: Search | None = None,
    usable: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> KnnGraph:
    """Build the k-NN graph: for every row its k nearest other rows.

    Args:
        rows: n unit rows of d dimensions.
        k: neighbours of a row; n - 1 where the collection has fewer.
        search: answers instead of the exact scan, for large collections. It is requested k + 1 rows, because
            a row finds itself, and must not answer with rows that are not usable.
        usable: (n,) bool; other rows are nobody's neighbours. All rows by default.
        progress: called with the number of rows done after every block.

    Raises:
        MorphError: k is less than 1.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> angles = np.array([0.0, 0.1, 0.3])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> build_graph(rows, k=1).neighbours.tolist()
        [[1], [0], [1]]
    """
    if k < 1:
        raise MorphError(f"a k-NN graph needs k of at least 1, got {k}")
    n = len(rows)
    k = min(k, max(n - 1, 0))
    neighbours = np.full((n, k), -1, np.int32)
    squared = np.full((n, k), np.inf, np.float32)
    if k == 0:
        return KnnGraph(neighbours, squared)
    for start, block in rows.blocks(near.QUERIES):
        done = start + len(block)
        own = np.arange(start, done)
        if search is None:
            found = near.scan(rows, block, k, own=own, usable=usable)
        else:
            found = near.searched(search, block, k, own=own)
        squared[start:done], neighbours[start:done] = found
        if progress is not None:
            progress(done)
    return KnnGraph(neighbours, squared)


def symmetric_csr(graph: KnnGraph) -> scipy.sparse.csr_array:
    """Join two rows if either is among the k nearest of the other: the union graph.

    Returns:
        (n, n) scipy.sparse.csr_array float32 of squared chord distances, sorted indices, exactly symmetric.
        Identical rows are 1e-12 apart, since SciPy takes a stored 0 for a missing edge.

    Example:
        >>> import numpy as np
        >>> graph = KnnGraph(np.array([[1], [0], [1]], np.int32), np.array([[0.5], [0.5], [1.0]], np.float32))
        >>> symmetric_csr(graph).toarray().tolist()
        [[0.0, 0.5, 0.0], [0.5, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    n = len(graph.neighbours)
    return union_of(np.arange(n), graph.neighbours, graph.squared, n)


def union_of(
    rows: NDArray[np.int64], neighbours: NDArray[np.int32], squared: NDArray[np.float32], n: int
) -> scipy.sparse.csr_array:
    """Symmetric edges, (n, n), between `rows` (m,), ascending, and their `neighbours` (m, k), -1 for none."""
    present = neighbours >= 0
    degrees = np.zeros(n, np.int64)
    degrees[rows] = present.sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(degrees)])
    data = np.maximum(squared[present], np.float32(SMALLEST))
    directed = scipy.sparse.csr_array((data, neighbours[present], indptr), shape=(n, n))
    return canonical(directed.maximum(directed.T.tocsr()))


def canonical(edges: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """The same edges with rising indices, of 32 bits where those are enough."""
    edges.sort_indices()
    if edges.nnz < 2**31:
        edges.indices, edges.indptr = (
            part.astype(np.int32, copy=False) for part in (edges.indices, edges.indptr)
        )
    return edges


def occurrences_of(edges: scipy.sparse.csr_array, k: int) -> NDArray[np.int32]:
    """In how many other rows' k nearest each row is, (n,) int32, counted on the edges of the union graph.

    The k shortest edges of a row lead to its k nearest rows, ties by row number: other rows that chose it are
    farther away.

    Example:
        >>> import numpy as np
        >>> chain = scipy.sparse.csr_array(np.array([[0, 1, 0], [1, 0, 2], [0, 2, 0]], np.float32))
        >>> occurrences_of(chain, 1).tolist()
        [1, 2, 0]
    """
    n = edges.shape[0]
    counts = np.zeros(n, np.int32)
    for first in range(0, n, _RANKED_ROWS):
        indptr = edges.indptr[first : first + _RANKED_ROWS + 1].astype(np.int64)
        here, degrees = slice(indptr[0], indptr[-1]), np.diff(indptr)
        # Positive floats are ordered like their bits, so that one key orders by row, then by length.
        line = np.repeat(np.arange(len(degrees), dtype=np.int64) << 32, degrees)
        order = np.argsort(line | edges.data[here].view(np.int32), kind="stable")
        rank = np.arange(len(order)) - np.repeat(indptr[:-1] - indptr[0], degrees)
        counts += np.bincount(edges.indices[here][order[rank < k]], minlength=n).astype(np.int32)
    return counts
