"""The minimum spanning tree of a graph: which largest hop the best possible path between two rows has.

On the way from a to b along a minimum spanning tree the largest edge is as small as on any path of the graph
(Hu, "The maximum capacity route problem", 1961).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from i2v_search.errors import MorphError

_TYPES = (np.dtype(np.int32), np.dtype(np.float32), np.dtype(np.int32))


@dataclass(frozen=True, eq=False)
class SpanningTree:
    """A minimum spanning forest with one root for every connected part.

    Attributes:
        parent: (n,) int32, the next row towards the root; -1 for a root.
        squared: (n,) float32, squared chord to the parent; 0 for a root.
        depth: (n,) int32, edges to the root.

    Raises:
        MorphError: the arrays are no forest (a damaged or foreign file).
    """

    parent: NDArray[np.int32]
    squared: NDArray[np.float32]
    depth: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.parent)
        whole = self.parent.ndim == 1 and self.squared.shape == self.depth.shape == (n,)
        whole &= (self.parent.dtype, self.squared.dtype, self.depth.dtype) == _TYPES
        if not whole or not np.all((self.parent >= -1) & (self.parent < n)):
            raise MorphError(f"a spanning tree of {n} rows refers to rows outside 0..{n - 1}; rebuild it")
        roots = self.parent < 0
        # A parent is one level higher: no climb can go round in circles.
        above = np.where(roots, -1, self.depth[self.parent])
        if not np.array_equal(self.depth, above + 1) or not np.all(self.squared >= 0):
            raise MorphError("a spanning tree has rows without a path to a root; rebuild it")

    @classmethod
    def of(cls, edges: scipy.sparse.csr_array) -> SpanningTree:
        """Find the minimum spanning forest of a graph (Kruskal's algorithm, by SciPy).

        Args:
            edges: (n, n) symmetric, squared chords above 0.

        Example:
            >>> import numpy as np
            >>> ring = np.array([[0, 1, 4, 0], [1, 0, 2, 0], [4, 2, 0, 0], [0, 0, 0, 0]], np.float32)
            >>> tree = SpanningTree.of(scipy.sparse.csr_array(ring))
            >>> tree.bottleneck(0, 2), tree.bottleneck(0, 3)
            (2.0, inf)
        """
        n = edges.shape[0]
        forest = scipy.sparse.csgraph.minimum_spanning_tree(scipy.sparse.triu(edges, format="csr")).tocoo()
        parts, labels = scipy.sparse.csgraph.connected_components(forest, directed=False)
        _, roots = np.unique(labels, return_index=True)
        # One more node above the roots, so that one walk reaches every part.
        top = np.full(parts, n)
        ends = (np.concatenate([forest.coords[0], top]), np.concatenate([forest.coords[1], roots]))
        whole = scipy.sparse.coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(n + 1, n + 1)).tocsr()
        order, before = scipy.sparse.csgraph.breadth_first_order(whole, n, directed=False)
        parent = before[:n].astype(np.int32)
        squared = np.zeros(n, np.float32)
        first, second = forest.coords
        child = np.where(parent[first] == second, first, second)
        squared[child] = forest.data
        parent[roots] = -1
        return cls(parent, squared, _depths(order, before)[:n] - 1)

    def bottleneck(self, a: int, b: int) -> float:
        """Squared chord of the smallest possible largest edge on any path from a to b; inf without a path.

        Example:
            >>> import numpy as np
            >>> chain = np.array([[0, 1, 0], [1, 0, 3], [0, 3, 0]], np.float32)
            >>> SpanningTree.of(scipy.sparse.csr_array(chain)).bottleneck(0, 2)
            3.0
        """
        parent, squared, depth = self.parent.data, self.squared.data, self.depth.data
        largest = 0.0
        while a != b:
            if depth[a] < depth[b]:
                a, b = b, a
            if parent[a] < 0:
                return float("inf")
            largest = max(largest, squared[a])
            a = parent[a]
        return largest

    def joining(self, first: Mapping[int, float], last: Mapping[int, float], straight: float) -> float:
        """Squared chord of the smallest possible largest hop between two ends that are joined to the graph.

        Args:
            first: rows joined to one end, with their squared chords to it, ascending.
            last: the same of the other end.
            straight: squared chord of the hop from end to end; inf where it does not count.

        Example:
            >>> import numpy as np
            >>> chain = np.array([[0, 1, 0], [1, 0, 3], [0, 3, 0]], np.float32)
            >>> SpanningTree.of(scipy.sparse.csr_array(chain)).joining({1: 2.0}, {0: 0.0, 2: 5.0}, np.inf)
            2.0
        """
        least = straight
        for a, to_a in first.items():
            for b, to_b in last.items():
                # What lies further than the best so far cannot improve on it, nor can what follows.
                if max(to_a, to_b) >= least:
                    break
                least = min(least, max(to_a, to_b, self.bottleneck(a, b)))
        return least


def _depths(order: NDArray[np.int32], before: NDArray[np.int32]) -> NDArray[np.int32]:
    """Edges from the first node of a breadth-first order: levels follow one another in it."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    above = place[before[order[1:]]]
    depth = np.zeros(len(order), np.int32)
    start, stop, level = 1, 1, 0
    while start < len(order):
        level += 1
        stop = 1 + int(np.searchsorted(above, stop))
        depth[order[start:stop]] = level
        start = stop
    return depth
