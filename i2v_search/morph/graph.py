"""The k-nearest-neighbour graph of a collection, made symmetric and connected.

Memory is that of one pass (see `neighbours`) and the result, which takes 8 k bytes a row. The exact graph
costs n^2 d multiplications; above some 100,000 rows give a `Search`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from i2v_search.errors import MorphError
from i2v_search.morph import neighbours as near
from i2v_search.morph.rows import Rows, Search, squared_chords

# SciPy reads a stored 0 as "no edge", so identical rows get this squared distance instead.
_SMALLEST = 1e-12


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
                f"the k-NN graph names rows outside 0..{len(self.neighbours) - 1}; build it again"
            )


@dataclass(frozen=True)
class Bridge:
    """An edge that joins two parts of the graph that no neighbour relation joins.

    Attributes:
        a, b: row numbers, a < b.
        squared: squared chord distance of the two rows.
    """

    a: int
    b: int
    squared: float


@dataclass(frozen=True, eq=False)
class Network:
    """What a path walks on: symmetric edges, and which of them are bridges.

    Attributes:
        edges: (n, n) scipy.sparse.csr_array float32 of squared chord distances, symmetric, no stored zero.
        bridges: the edges added by `connect`, in the order they were found.
    """

    edges: csr_array
    bridges: tuple[Bridge, ...] = ()


def build_graph(
    rows: Rows, k: int = 15, *, search: Search | None = None, progress: Callable[[int], None] | None = None
) -> KnnGraph:
    """Build the k-NN graph: for every row its k nearest other rows.

    Args:
        rows: n unit rows of d dimensions.
        k: neighbours of a row; n - 1 where the collection has fewer.
        search: answers instead of the exact scan, for large collections. It is asked for k + 1 rows, because
            a row finds itself.
        progress: called with the number of rows done after every block.

    Raises:
        MorphError: k is less than 1.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph import ArrayRows
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
        found = (
            near.scan(rows, block, k, own=own) if search is None else near.searched(search, block, k, own=own)
        )
        squared[start:done], neighbours[start:done] = found
        if progress is not None:
            progress(done)
    return KnnGraph(neighbours, squared)


def symmetric_csr(graph: KnnGraph) -> csr_array:
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
    present = graph.neighbours >= 0
    data = np.maximum(graph.squared[present], np.float32(_SMALLEST))
    columns = graph.neighbours[present]
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    directed = csr_array((data, columns, indptr), shape=(n, n))
    edges = directed.maximum(directed.T.tocsr())
    edges.sort_indices()
    return edges


def connect(rows: Rows, network: Network, *, members: NDArray[np.int64] | None = None) -> Network:
    """Bridge the separate parts of a network by the closest pairs of rows until one part is left.

    In each round every part but the largest gets an edge to the nearest row outside it (Boruvka's algorithm
    for the minimum spanning tree of the parts), so p parts take at most log2(p) rounds, each a pass over the
    rows for every 2,048 rows outside the largest part.

    Args:
        rows: the n rows the network is made of.
        network: edges and the bridges already known.
        members: (m,) int64 ascending; only these rows, and the edges among them, are looked at. All rows by
            default.

    Returns:
        The network with the new edges, and with the new bridges after the old ones.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph import ArrayRows
        >>> angles = np.array([0.0, 0.1, 1.0, 1.1])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> parts = Network(symmetric_csr(build_graph(rows, k=1)))
        >>> [(bridge.a, bridge.b) for bridge in connect(rows, parts).bridges]
        [(1, 2)]
    """
    numbers = np.arange(len(rows)) if members is None else members
    if not len(numbers):
        return network
    inner = network.edges if members is None else network.edges[members][:, members]
    found: list[Bridge] = []
    while True:
        parts, labels = connected_components(inner, directed=False)
        if parts == 1:
            break
        pairs = _closest_outside(rows, numbers, labels, whole=members is None)
        found += pairs
        ends = np.array([(bridge.a, bridge.b) for bridge in pairs])
        local = np.searchsorted(numbers, ends)
        inner = inner.maximum(_edges_of(local, np.ones(len(pairs), np.float32), len(numbers)))
    if not found:
        return network
    ends = np.array([(bridge.a, bridge.b) for bridge in found])
    lengths = np.array([bridge.squared for bridge in found], np.float32)
    edges = network.edges.maximum(_edges_of(ends, lengths, len(rows)))
    edges.sort_indices()
    return Network(edges, network.bridges + tuple(found))


def _edges_of(ends: NDArray[np.int64], squared: NDArray[np.float32], n: int) -> csr_array:
    """(n, n) symmetric matrix of the different edges `ends` (m, 2)."""
    data = np.maximum(squared, np.float32(_SMALLEST))
    both = (ends.T.ravel(), ends[:, ::-1].T.ravel())
    return coo_array((np.concatenate([data, data]), both), shape=(n, n)).tocsr()


def _closest_outside(
    rows: Rows, numbers: NDArray[np.int64], labels: NDArray[np.int32], *, whole: bool
) -> list[Bridge]:
    """For every part but the largest, the closest pair of a row inside and a row outside, no cycles."""
    largest = int(np.argmax(np.bincount(labels)))
    asking = np.flatnonzero(labels != largest)
    squared = np.full(len(asking), np.inf, np.float32)
    partner = np.zeros(len(asking), np.int64)
    for start in range(0, len(asking), near.QUERIES):
        here = slice(start, start + near.QUERIES)
        queries = rows.take(numbers[asking[here]])
        own = labels[asking[here]]
        for first, block in _member_blocks(rows, numbers, whole=whole):
            chords = squared_chords(queries, block)
            chords[own[:, None] == labels[None, first : first + len(block)]] = np.inf
            column = chords.argmin(axis=1)
            closest = chords[np.arange(len(chords)), column]
            better = closest < squared[here]
            squared[here][better] = closest[better]
            partner[here][better] = first + column[better]
    order = np.lexsort((partner, asking, squared, labels[asking]))
    _, firsts = np.unique(labels[asking][order], return_index=True)
    closest_pairs = order[firsts]
    group = np.arange(labels.max() + 1)
    bridges = []
    for i in closest_pairs[np.argsort(squared[closest_pairs], kind="stable")]:
        part, other = group[labels[asking[i]]], group[labels[partner[i]]]
        if part == other:
            # Two parts chose each other, or equal distances close a ring.
            continue
        group[group == other] = part
        a, b = sorted((int(numbers[asking[i]]), int(numbers[partner[i]])))
        bridges.append(Bridge(a, b, float(squared[i])))
    return bridges


def _member_blocks(
    rows: Rows, numbers: NDArray[np.int64], *, whole: bool
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blocks of the rows `numbers`, read in sequence where they are all the rows there are."""
    if whole:
        yield from rows.blocks(near.COLUMNS)
    else:
        for start in range(0, len(numbers), near.COLUMNS):
            yield start, rows.take(numbers[start : start + near.COLUMNS])
